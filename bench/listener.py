"""A websocket client that only counts, in a process of its own, so that it is not what is measured.

``python -m bench.listener plain|deflate HOST PORT TOPIC..`` subscribes and reads until the other
end closes. It then writes 64 bit numbers to stdout: how many bytes came, for how many ns it waited
for its processor, and then for each piece that came from the socket the monotonic ns at which it
was there, and how many messages were whole with it. Nothing is decoded but the heads of frames.
"""

import base64
import json
import os
import socket
import sys
from array import array
from collections.abc import Iterable, Sequence
from time import monotonic_ns
from typing import NamedTuple

from bench.process import waited_ns

DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

_TEXT, _CLOSE = 1, 8  # opcodes
_PIECE = 1 << 18


class Piece(NamedTuple):
    """What one read of the socket brought. at: monotonic ns."""

    at: int
    messages: int


class Heard(NamedTuple):
    """All that came. waited: ns for the processor."""

    size: int
    waited: int
    pieces: list[Piece]

    @classmethod
    def of(cls, said: bytes) -> "Heard":
        """From what a listener said."""
        numbers = array("q", said)
        return cls(numbers[0], numbers[1], [*map(Piece, numbers[2::2], numbers[3::2])])

    @property
    def messages(self) -> int:
        """How many."""
        return sum(piece.messages for piece in self.pieces)

    @property
    def seconds(self) -> float:
        """From the first to the last."""
        return (self.pieces[-1].at - self.pieces[0].at) / 1e9

    @property
    def rate(self) -> float:
        """Messages a second; those of the first piece came before the time began."""
        return (self.messages - self.pieces[0].messages) / self.seconds

    @property
    def crowded(self) -> float:
        """Share of the time in which it could have run but for others on its processor."""
        return self.waited / 1e9 / self.seconds


def main(arguments: Sequence[str]) -> None:
    """Listen until the end and say what came."""
    mode, host, port, *topics = arguments
    sock = socket.create_connection((host, int(port)))
    _shake_hands(sock, DEFLATE if mode == "deflate" else "")
    _subscribe(sock, topics)
    sys.stdout.buffer.write(_listen(sock).tobytes())


def _shake_hands(sock: socket.socket, extensions: str) -> None:
    """Open the websocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(
        f"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{extensions}\r\n".encode()
    )
    reply = b""
    while b"\r\n\r\n" not in reply:
        reply += sock.recv(1)
    assert reply.startswith(b"HTTP/1.1 101"), reply
    assert (b"permessage-deflate" in reply) == bool(extensions), reply


def _subscribe(sock: socket.socket, topics: Iterable[str]) -> None:
    """One text frame with a mask of zeros (RFC 6455 section 5.3)."""
    text = json.dumps({"method": "SUBSCRIBE", "params": list(topics)}).encode()
    assert 126 <= len(text) < 65_536, "the head of a frame of this size"
    sock.sendall(bytes((0x80 | _TEXT, 0xFE)) + len(text).to_bytes(2, "big") + bytes(4) + text)


def _listen(sock: socket.socket) -> "array[int]":
    """Pings are not answered: nothing here lasts as long as the server's patience."""
    heard, rest = array("q", [0, waited_ns()]), b""
    while piece := sock.recv(_PIECE):
        at = monotonic_ns()
        heard[0] += len(piece)
        rest += piece
        messages, end, closed = count(rest)
        rest = rest[end:]
        if messages:
            heard.extend((at, messages))
        if closed:
            break
    heard[1] = waited_ns() - heard[1]
    sock.close()
    return heard


def count(data: bytes) -> tuple[int, int, bool]:
    """Whole messages, where the first frame that is not whole begins, and whether one was a Close
    (RFC 6455 section 5.2; the venue sends each message as one frame)."""
    size, at, messages, closed = len(data), 0, 0, False
    while at + 2 <= size:
        length, behind = data[at + 1], at + 2
        if length > 125:
            behind += 2 if length == 126 else 8
            length = int.from_bytes(data[at + 2 : behind], "big")
        behind += length
        if behind > size:
            break
        opcode = data[at] & 0x0F
        messages += opcode == _TEXT
        closed = closed or opcode == _CLOSE
        at = behind
    return messages, at, closed


if __name__ == "__main__":
    main(sys.argv[1:])
