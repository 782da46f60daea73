"""The control socket, as those meet it who use it, and as those do who would do harm."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner

from recorder.cli import record
from recorder.commands import carrier
from recorder.control_client import ask
from recorder.control_socket import CLIENTS, LARGEST_LINE, NAME, ControlSocket, Request
from recorder.worker import Worker
from schemas.errors import BackpackError, UsageError
from schemas.frames import Kind
from tape.layout import Tape
from tape.manifest import Verdict
from tape.reader import segments
from tape.verify import verify
from tests.recorder.commands import Ended, at_work, options
from tests.recorder.commands import venue as venue_process
from tests.recorder.market import SNAPSHOTS, SOL, TRADES, bid
from tests.recorder.runs import Played, Run, play, running
from tests.venue import Send, Venue, WaitSubscribed
from tests.venue.catalogue import Listing, markets_body

Value = TypeVar("Value")

LISTED = markets_body([Listing("SOL_USDC", "0.01", "0.01"), Listing("ETH_USDC", "0.01", "0.001")])


@asynccontextmanager
async def controlled(folder: Path) -> AsyncIterator[Run]:
    """A recorder with a live book, and its socket."""
    far_end = Venue([WaitSubscribed(SOL), Send(bid(11))], snapshots=SNAPSHOTS, markets=LISTED)
    async with far_end, running(far_end, folder, SOL) as run:
        run.recorder.carry = carrier(run.recorder)
        await run.until(lambda: run.is_live(SOL) and (folder / NAME).exists())
        yield run


async def told(folder: Path, command: str, *topics: str) -> Any:
    """What the recorder answers."""
    return await asyncio.to_thread(ask, folder, Request(command, list(topics)))


async def said(folder: Path, *lines: bytes) -> list[dict[str, Any]]:
    """Answers to raw lines on one connection, as long as it lasts."""
    reader, writer = await asyncio.open_unix_connection(folder / NAME, limit=1 << 20)
    answers = []
    with suppress(ConnectionError):
        for line in lines:
            writer.write(line)
            if not (answer := await reader.readline()):
                break
            answers.append(json.loads(answer))
    writer.close()
    return answers


async def commands(folder: Path) -> None:
    """All of them, in a folder whose path is too long for a socket's address."""
    folder = folder / ("deep" * 20) / ("deeper" * 20)
    folder.mkdir(parents=True)
    async with controlled(folder) as run:
        assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600
        assert await told(folder, "subscribe", "trade.*", SOL) == ["trade.ETH_USDC", TRADES]
        assert await told(folder, "unsubscribe", "trade.ETH_USDC") == ["trade.ETH_USDC"]
        before = await told(folder, "status")
        assert await told(folder, "pause") is None
        paused = await told(folder, "status")
        assert (before["paused"], paused["paused"]) == (False, True)
        assert paused["wanted"] == ["trade.*", SOL]
        assert await told(folder, "roll") == f"{run.recorder.store.session}.00002"
        assert await told(folder, "resume") is None
        after = await told(folder, "status")
        assert (before["segment"], after["segment"], after["pid"]) == (1, 2, os.getpid())
        assert (after["connection"], after["connected"], after["trouble"]) == (1, True, "")
        (book, trades) = before["topics"]
        assert (book["topic"], book["frames"], book["book"], book["gaps"]) == (SOL, 1, "live", 0)
        assert book["age_ns"] > 0
        nothing = {"age_ns": None, "book": None, "gaps": 0, "silence": None}
        assert trades == {"topic": TRADES, "frames": 0, **nothing}
        assert before["free_bytes"] > 0
    assert not (folder / NAME).exists()
    assert [m.verdict for m in segments(Tape(folder))] == [Verdict.CERTIFIED] * 2
    assert [m.end for m in segments(Tape(folder))] == ["roll", "stop"]


async def mischief(folder: Path) -> None:
    """Nothing of it reaches the tape, and the next in line is served. A socket that a killed
    recorder has left is no obstacle."""
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(os.fspath(folder / NAME))
    async with controlled(folder) as run:
        before = run.recorder.topics
        garbage = [b"\n", b"{}\n", b"[" * 9_999 + b"\n", b'{"command":7}\n', b"\xff\n", b'"\xff"\n']
        garbage += [b'{"command":"status","x":1}\n', b'{"command":"subscribe","topics":"t"}\n']
        answers = await said(folder, *garbage)
        assert len(answers) == len(garbage)
        assert all(a["misuse"] and "this is no request" in a["error"] for a in answers)
        (answer,) = await said(folder, b" " * (LARGEST_LINE + 1) + b"\n", b"{}\n")
        assert str(LARGEST_LINE) in answer["error"]
        idle = [await asyncio.open_unix_connection(folder / NAME) for _ in range(CLIENTS)]
        (busy,) = await said(folder, b'{"command":"status"}\n')
        assert "too many" in busy["error"]
        for _, writer in idle:
            writer.close()
            await writer.wait_closed()
        for command, topics, message in (
            ("reboot", [], "there are subscribe, unsubscribe, status, roll, dump, pause, resume"),
            ("subscribe", ["depth.SOLUSDC"], "nearest: SOL_USDC"),
            ("subscribe", [], "no topics"),
            ("unsubscribe", [SOL, "nothing"], "'nothing'"),
        ):
            with pytest.raises(UsageError, match=message):
                await told(folder, command, *topics)
        assert run.recorder.topics == before
        assert run.is_live(SOL)
        assert len(run.kinds(Kind.SENT)) == 1
        hanging = await asyncio.open_unix_connection(folder / NAME)  # ends with the recorder
    assert await hanging[0].read() == b""
    hanging[1].close()
    assert verify(Tape(folder)) == []


async def no_room(folder: Path) -> None:
    """A folder that takes no socket costs only that."""
    (folder / NAME / "in the way").mkdir(parents=True)
    far_end = Venue([WaitSubscribed(SOL), Send(bid(11))], snapshots=SNAPSHOTS, markets=LISTED)
    async with far_end, running(far_end, folder, SOL) as run:
        run.recorder.carry = carrier(run.recorder)
        await run.until(lambda: run.is_live(SOL) and run.said("bp-record ctl will not work"))
    with pytest.raises(BackpackError):
        ask(folder, Request("status"))


class Slow(Worker):
    """A disk that takes its time to say that it is done."""

    async def do(self, call: Callable[[], Value]) -> Value:
        value = await super().do(call)
        await asyncio.sleep(0.5)
        return value


async def early(folder: Path) -> None:
    """Who finds the socket is served, as soon as it is there."""

    async def carry(request: Request) -> Any:
        return request.command

    async def told_early() -> Any:
        while not (folder / NAME).exists():
            await asyncio.sleep(0.001)
        return await told(folder, "status")

    folder.mkdir()
    worker = Slow("test-slow")
    asked = asyncio.create_task(told_early())
    async with ControlSocket(folder, carry, worker, print).listening():
        assert await asked == "status"
    worker.close()


SCENES = {"commands": commands, "mischief": mischief, "no_room": no_room, "early": early}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played[None]:
    return play(tmp_path_factory.mktemp("control"), SCENES)


@pytest.mark.parametrize("name", SCENES)
def test_the_socket(played: Played[None], name: str) -> None:
    played.outcome(name)


def ctl(folder: Path, *words: str) -> Ended:
    """The command, in this process."""
    result = CliRunner().invoke(record, ["ctl", "--data", str(folder), *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result
    return Ended(result.exit_code, result.stdout, result.stderr)


def test_a_recorder_at_work_is_told_by_command(tmp_path: Path) -> None:
    """And one that was killed leaves a socket that nobody answers, and the next one replaces."""
    with venue_process("--feed", "sim", "--seconds", "60", "--repeat", "0") as far_end:
        arguments = options(far_end, tmp_path, SOL)
        with at_work(*arguments) as recording:
            recording.until(lambda: ctl(tmp_path, "status").code == 0)
            assert ctl(tmp_path, "subscribe", f"{TRADES},ticker.SOL_USDC", SOL) == (
                0, f"{TRADES}\nticker.SOL_USDC\n", "",
            )  # fmt: skip
            assert ctl(tmp_path, "unsubscribe", TRADES) == (0, f"{TRADES}\n", "")
            refused = ctl(tmp_path, "unsubscribe", "trade.SOLUSDC")
            assert (refused.code, refused.out) == (2, "")
            assert "nearest: SOL_USDC" in refused.err
            shown = json.loads(ctl(tmp_path, "status", "--json").out)
            assert (shown["pid"], shown["segment"]) == (recording.pid, 1)
            assert {line["topic"] for line in shown["topics"]} == {SOL, "ticker.SOL_USDC"}
            assert json.loads(ctl(tmp_path, "status").out)["session"] == shown["session"]
            assert ctl(tmp_path, "roll").out == f"{shown['session']}.00002\n"
            assert ctl(tmp_path, "pause") == ctl(tmp_path, "resume") == (0, "", "")
            recording.kill()
        gone = ctl(tmp_path, "status")
        assert (gone.code, gone.out) == (1, "")
        assert f"start one with bp-record --data {tmp_path}" in gone.err
        with at_work(*arguments) as recording:
            recording.until(lambda: ctl(tmp_path, "status").code == 0)
            recording.interrupt()
            assert recording.end().code == 3  # what the killed one left has no end
    assert not (tmp_path / NAME).exists()


def test_where_nobody_records_it_says_what_to_do(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        ended = ctl(folder, "roll")
        assert (ended.code, ended.out) == (1, "")
        assert "no recorder is at work in" in ended.err


def test_help_teaches() -> None:
    for words in (["--help"], ["ctl", "--help"]):
        assert "bp-record ctl" in CliRunner().invoke(record, words).output
