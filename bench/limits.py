"""What no server can be faster than, in processes of their own: ``python -m bench.limits``.

``decode DATA MESSAGES`` reads so many messages from a recording and does nothing with them;
``plain DATA MESSAGES`` writes the same to the first who connects, from memory, through an asyncio
transport. Both say what there is to say as lines of JSON.
"""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from time import perf_counter

from replay.server.client import TEXT
from replay.server.client import plain as framed
from schemas.frames import Kind
from tape.layout import Tape
from tape.reader import Filed, read_filed, segments

_PIECE = 1 << 16  # as the server hands to a socket


def main(arguments: Sequence[str]) -> None:
    """Be one of the limits."""
    name, data, messages = arguments
    if name == "decode":
        _decode(Path(data), int(messages))
    else:
        asyncio.run(_plain(Path(data), int(messages)))


def _decode(data: Path, messages: int) -> None:
    started = perf_counter()
    count = sum(1 for _ in islice(_messages(data), messages))
    print(json.dumps({"messages": count, "seconds": perf_counter() - started}))


def _messages(data: Path) -> Iterator[Filed]:
    tape = Tape(data)
    for part in segments(tape):
        for some in read_filed(tape, part):
            yield from (filed for filed in some if filed.frame.kind is Kind.DATA)


async def _plain(data: Path, messages: int) -> None:
    every = islice(_messages(data), messages)
    whole = b"".join([framed(TEXT, filed.frame.payload) for filed in every])
    pieces = [whole[at : at + _PIECE] for at in range(0, len(whole), _PIECE)]
    written = asyncio.Event()

    async def write(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        await reader.read(1)  # it is subscribed
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
        written.set()

    server = await asyncio.start_server(write, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"event": "ready", "ws": f"ws://127.0.0.1:{port}"}), flush=True)
    await written.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
