"""The other end of a recorder's control socket."""

import os
import socket
from pathlib import Path
from typing import Any

import msgspec

from recorder.control_socket import ANSWER_S, Answer, Request, address
from schemas.errors import BackpackError, UsageError

_LARGEST_ANSWER = 64 << 20
_PATIENCE_S = ANSWER_S + 15.0  # it answers in that time, or not at all


def ask(root: Path, request: Request) -> Any:
    """What the recorder at work in a folder answers; raises UsageError for what cannot be, and
    BackpackError where nobody answers or nothing came of it."""
    try:
        answer = msgspec.json.decode(_exchange(root, msgspec.json.encode(request)), type=Answer)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        raise BackpackError(
            f"no recorder is at work in {root}: start one with bp-record --data {root}, or say"
            " with bp-record ctl --data which folder is meant"
        ) from None
    except (OSError, msgspec.MsgspecError) as error:
        raise BackpackError(
            f"the recorder in {root} does not answer ({error}): ask again"
        ) from None
    if answer.error:
        raise UsageError(answer.error) if answer.misuse else BackpackError(answer.error)
    return answer.result


def _exchange(root: Path, line: bytes) -> bytes:
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_PATIENCE_S)
            connection.connect(address(root, folder))
            connection.sendall(line + b"\n")
            return _read_line(connection)
    finally:
        os.close(folder)


def _read_line(connection: socket.socket) -> bytes:
    """Raises OSError where it is none."""
    parts: list[bytes] = []
    size = 0
    while not (parts and parts[-1].endswith(b"\n")):
        part = connection.recv(1 << 16)
        size += len(part)
        if not part or size > _LARGEST_ANSWER:
            raise ConnectionError("it hung up" if not part else "it says too much")
        parts.append(part)
    return b"".join(parts)
