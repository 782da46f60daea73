"""The socket in the folder of a recording by which its recorder is told things: ``bp-record ctl``.

A request is a line of JSON, and so is its answer. Whoever may write into the folder may connect;
none of them can hold up the recording: few at once, a pause before each command, bounds on all they
send and on how long they take.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from recorder.space import Space
from recorder.worker import Worker
from schemas.errors import BackpackError, UsageError

NAME = "control.sock"
LARGEST_LINE = 65_536  # bytes of a request
CLIENTS = 8  # at once
IDLE_S = 10.0  # until a client has sent a request, or taken an answer
ANSWER_S = 60.0  # until a command is done
PACE_S = 0.02  # between two commands, whoever sends them
REMOVE_S = 2.0  # at the end, on a disk that may hang

_LONGEST_PATH = 100  # bytes; what a socket address has room for

Notice = Callable[[str], None]


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """What a client wants. topics: names and patterns. arguments: of commands that take others."""

    command: str
    topics: list[str] = []
    arguments: dict[str, Any] = {}


class Answer(msgspec.Struct):
    """What came of it. error: why nothing did, where ``misuse`` tells that it could not be.
    result: what the command has to say."""

    error: str = ""
    misuse: bool = False
    result: Any = None


Carry = Callable[[Request], Awaitable[Any]]  # raises BackpackError

_decode = msgspec.json.Decoder(Request).decode


class _Bound(NamedTuple):
    """A socket with its name in a folder, which is held open, and the number of its inode."""

    listener: socket.socket
    folder: int
    inode: int


def address(root: Path, folder: int) -> str:
    """Of the socket in a folder that is open as ``folder``, whose own path may be too long."""
    path = os.fspath(root / NAME)
    return path if len(os.fsencode(path)) <= _LONGEST_PATH else f"/proc/self/fd/{folder}/{NAME}"


class ControlSocket:
    """Listens while a recording is made; ``carry`` does what is asked."""

    def __init__(self, root: Path, carry: Carry, worker: Worker, notice: Notice) -> None:
        self._root = root
        self._carry = carry
        self._worker = worker
        self._notice = notice
        self._turn = asyncio.Lock()
        self._clients: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Until the block ends. Where the folder takes no socket, it is said and all else goes
        on."""
        try:
            bound = await self._worker.do(self._bind)
        except OSError as error:
            self._notice(f"no {NAME} in {self._root} ({error}): bp-record ctl will not work")
            yield
            return
        server = await asyncio.start_unix_server(
            self._client, sock=bound.listener, limit=LARGEST_LINE, backlog=CLIENTS
        )
        try:
            yield
        finally:
            server.close()
            for client in self._clients:
                client.cancel()
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(REMOVE_S):
                    await self._worker.do(lambda: _remove(bound))

    def _bind(self) -> _Bound:
        """Nobody else is here: the folder is locked, and a socket in it is of a recorder that was
        killed."""
        folder = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with suppress(FileNotFoundError):
                os.unlink(NAME, dir_fd=folder)
            listener.bind(address(self._root, folder))
            os.chmod(NAME, 0o600, dir_fd=folder)  # before it listens
            listener.listen(CLIENTS)  # at once, as one that nobody listens to is of a dead recorder
            inode = os.stat(NAME, dir_fd=folder).st_ino
        except OSError:
            listener.close()
            os.close(folder)
            raise
        return _Bound(listener, folder, inode)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            if len(self._clients) > CLIENTS:
                await _tell(writer, Answer("too many are talking to this recorder: try again"))
                return
            while await self._serve(reader, writer):
                pass
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # it is gone, or too slow, or all is over
        finally:
            self._clients.discard(task)
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer a request; whether another may follow."""
        try:
            async with asyncio.timeout(IDLE_S):
                line = await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            return False
        except asyncio.LimitOverrunError:
            await _tell(writer, Answer(f"a request has at most {LARGEST_LINE} bytes", True))
            return False
        async with self._turn:
            await asyncio.sleep(PACE_S)
        await _tell(writer, await self._outcome(line))
        return True

    async def _outcome(self, line: bytes) -> Answer:
        """Of a command; whatever it comes to, the recording goes on."""
        try:
            async with asyncio.timeout(ANSWER_S):
                return Answer(result=await self._carry(_decode(line)))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return Answer(f"this is no request: {error}", True)
        except BackpackError as error:
            return Answer(str(error), isinstance(error, UsageError))
        except TimeoutError:
            return Answer(f"not done within {ANSWER_S:g} s: is the disk in trouble?")
        except Exception as error:  # a fault of ours
            return Answer(f"a fault of this program: {type(error).__name__}: {error}")


@asynccontextmanager
async def controlled(
    space: Space | None, carry: Carry | None, notice: Notice
) -> AsyncIterator[None]:
    """Others may tell things meanwhile, if there is a folder, and somebody who carries them out."""
    if space is None or carry is None:
        yield
        return
    async with ControlSocket(space.root, carry, space.worker, notice).listening():
        yield


async def _tell(writer: asyncio.StreamWriter, answer: Answer) -> None:
    writer.write(msgspec.json.encode(answer) + b"\n")
    async with asyncio.timeout(IDLE_S):
        await writer.drain()


def _remove(bound: _Bound) -> None:
    """But not that of a recorder that has taken over."""
    with suppress(FileNotFoundError):
        if os.stat(NAME, dir_fd=bound.folder).st_ino == bound.inode:
            os.unlink(NAME, dir_fd=bound.folder)
    os.close(bound.folder)
