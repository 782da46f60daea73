"""A recorder that goes on with the session of another one: two of them in this process, each with
sockets, a lock and a control socket of its own, while a market moves."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from recorder.child import run_child
from recorder.commands import carrier
from recorder.control_client import ask
from recorder.control_socket import NAME, Carry, Request
from recorder.handing import COMMAND, Welcome
from recorder.handover import Handover
from recorder.settings import OnSilence, Patience, Settings
from recorder.summary import exit_code
from schemas.errors import BackpackError, UsageError
from tape.console import WHOLE
from tape.layout import Tape
from tape.manifest import Manifest, Verdict
from tape.reader import segments
from tape.verify import verify
from tests.recorder import plain
from tests.recorder.market import FIRST_ID, SNAPSHOTS, SOL, TRADES, bid, envelope, trade
from tests.recorder.runs import Played, Run, play
from tests.venue import Instance, Options, Venue
from tests.venue.link import cue_of

SOAK = bool(os.environ.get("SOAK"))
STEP_S = 0.005  # between two moves of the market
MOVES_AFTER = 100
QUICK = Patience(overlap=0.15, proof=2.0)
TICKER = "externalTicker.SOL_USDC"  # which says nothing for long
WATCHFUL: dict[str, Any] = {
    "patience": QUICK._replace(silence=0.02, look=0.02, grace=0.1),
    "silence": OnSilence.TELL,
}
GIVEN_UP = ("begin", "give")


class Far:
    """A venue with servers of clocks of their own, and a market that moves all the time."""

    def __init__(self) -> None:
        servers = [Instance(seed, ahead_us=40_000 * seed) for seed in range(9)]
        self.venue = Venue(snapshots=SNAPSHOTS, options=Options(instances=servers))
        self.newest = FIRST_ID

    async def move(self) -> None:
        """Until cancelled."""
        while True:
            self.newest += 1
            self.venue.post([cue_of(bid(self.newest)), cue_of(trade(self.newest))])
            await asyncio.sleep(STEP_S)

    async def moved(self, run: Run) -> None:
        """Some time has passed, and this recorder knows."""
        until = self.newest + MOVES_AFTER
        await run.until(lambda: (run.last_id("SOL_USDC") or 0) >= until)


@asynccontextmanager
async def moving() -> AsyncIterator[Far]:
    """A market that moves."""
    far = Far()
    async with far.venue:
        task = asyncio.create_task(far.move())
        try:
            yield far
        finally:
            task.cancel()


def start(far: Far, folder: Path, *topics: str, **more: Any) -> Run:
    """A recorder as bp-record makes it."""
    where = (far.venue.ws_url, far.venue.rest_url)
    settings = Settings(topics or (SOL, TRADES), folder, *where, **{"patience": QUICK, **more})
    run = Run(settings, sealing=run_child)
    recorder = run.recorder
    recorder.carry = carrier(recorder, {COMMAND: Handover(recorder, run.notices.append).step})
    return run


async def at_work(far: Far, folder: Path, *topics: str, **more: Any) -> Run:
    """A recorder that can be taken over, with a live book."""
    run = start(far, folder, *topics, **more)
    await run.until(lambda: run.is_live(SOL) and (folder / NAME).exists())
    return run


async def step(folder: Path, name: str, pid: int = 1) -> Any:
    """What somebody is told who wants to take over."""
    request = Request(COMMAND, arguments={"step": name, "pid": pid})
    return await asyncio.to_thread(ask, folder, request)


def check_tape(folder: Path, *ends: str, sessions: int = 1) -> list[Manifest]:
    """All of it certified, one session on end; of depth and trades each id once, none missing."""
    found = segments(Tape(folder))
    assert [one.verdict for one in found] == [Verdict.CERTIFIED] * len(ends)
    assert [one.end for one in found] == list(ends)
    assert len({one.session for one in found}) == sessions
    if sessions == 1:
        lasts = [one.last_seq for one in found]
        assert [one.first_seq for one in found] == [1, *(last + 1 for last in lasts[:-1])]
    seen: dict[str, list[int]] = {SOL: [], TRADES: []}
    for payload in plain.payloads(folder, "data"):
        message = json.loads(payload)
        data = message["data"]
        if message["stream"] == TICKER:
            continue
        seen[message["stream"]].append(data["u"] if data["e"] == "depth" else data["t"])
    for ids in seen.values():
        assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert verify(Tape(folder)) == []
    return found


def requests(folder: Path) -> int:
    """How many books were asked for."""
    return sum("depth" in frame["topic"] for frame in plain.frames(folder, "request"))


async def taken(folder: Path) -> tuple[Run, Run, list[str]]:
    """What it is for: with what was asked for by hand, and two connections instead of one. Others
    who want it meanwhile, even of the same number in another container, are refused: how."""
    refusals: list[str] = []
    async with moving() as far:
        old = start(far, folder, SOL, TICKER, **WATCHFUL)
        old.recorder.carry = _contested(old.recorder.carry, refusals)
        await old.until(lambda: old.is_live(SOL) and (folder / NAME).exists())
        assert await old.recorder.subscribe([TRADES]) == [TRADES]
        await far.moved(old)
        await old.until(lambda: TICKER in old.recorder.tally.silences.open)
        new = start(far, folder, SOL, TICKER, take_over=True, connections=2, **WATCHFUL)
        await old.ended()
        await far.moved(new)
        assert TICKER in new.recorder.tally.silences.open
        far.venue.post([cue_of(envelope(TICKER, {"E": 1, "e": "externalTicker", "s": "SOL_USDC"}))])
        await new.until(lambda: TICKER not in new.recorder.tally.silences.open)
        await new.until((folder / NAME).exists)
        assert (await asyncio.to_thread(ask, folder, Request("status")))["pid"] == os.getpid()
        assert new.recorder.topics == (SOL, TICKER, TRADES)
        await new.finish()
    return old, new, refusals


def _contested(carry: Carry | None, refusals: list[str]) -> Carry:
    """Others come while it is given, when it was given, and when it is done."""
    assert carry is not None

    async def refused(step: str, pid: int) -> None:
        try:
            await carry(Request(COMMAND, arguments={"step": step, "pid": pid}))
        except BackpackError as error:
            refusals.append(f"{step}: {error}")

    async def other(request: Request) -> Any:
        name, answering = request.arguments.get("step"), asyncio.ensure_future(carry(request))
        if name == "give":
            await asyncio.sleep(0)
            await refused("begin", 1)
            await refused("give", os.getpid())
        answer = await answering
        if name == "give":
            await refused("begin", os.getpid())
        if name == "done":
            await refused("done", os.getpid())
        return answer

    return other


async def given_up(folder: Path) -> Run:
    """Whoever wanted it dies when it was given already: it goes on, and can be given again."""
    async with moving() as far:
        run = await at_work(far, folder)
        for name in GIVEN_UP:
            await step(folder, name)
        with pytest.raises(BackpackError, match="process 1 is about to take over already"):
            await step(folder, "begin", 2)
        await far.moved(run)
        for name in ("give", "done"):
            with pytest.raises(UsageError, match="too late"):
                await step(folder, name)
        new = start(far, folder, take_over=True)
        await run.ended()
        await far.moved(new)
        await new.finish()
    return run


async def stopped(folder: Path) -> Run:
    """It is told to stop while somebody has it half: nothing of what was held is lost."""
    async with moving() as far:
        run = await at_work(far, folder)
        for name in GIVEN_UP:
            await step(folder, name)
        until = far.newest + MOVES_AFTER
        while far.newest < until:
            await asyncio.sleep(STEP_S)
        await run.finish()
        assert len(run.payloads) > MOVES_AFTER
    return run


async def refused(folder: Path) -> Run:
    """What cannot be taken over goes on, and says why."""
    async with moving() as far:
        run = await at_work(far, folder)
        other = start(far, folder, SOL, take_over=True)
        with pytest.raises(UsageError, match=r"other topics \(only there: trade.SOL_USDC\)"):
            await other.ended()
        other = start(far, folder, take_over=True)
        await other.until(lambda: other.recorder.intake.held is not None)
        other.stop.set()
        await other.ended()
        for name, pid, answer in (("done", 3, "too late"), ("done", os.getpid(), "no step 'done'")):
            with pytest.raises(UsageError, match=answer):
                await step(folder, name, pid)
        await far.moved(run)
        await run.finish()
    return run


async def unknown(folder: Path) -> tuple[Run, Run]:
    """One that remembers other things gives its recording away, but not what it remembers: the
    session is another, and what came meanwhile is in it."""
    async with moving() as far:
        old = start(far, folder)
        old.recorder.carry = _forgetful(old.recorder.carry)
        await old.until(lambda: old.is_live(SOL) and (folder / NAME).exists())
        new = start(far, folder, take_over=True)
        await old.ended()
        await far.moved(new)
        await new.finish()
    return old, new


def _forgetful(carry: Carry | None) -> Carry:
    """Of another version."""
    assert carry is not None

    async def other(request: Request) -> Any:
        answer = await carry(request)
        return msgspec.structs.replace(answer, memory=1) if type(answer) is Welcome else answer

    return other


async def nobody(folder: Path) -> Run:
    """Nobody is at work: it starts as ever."""
    async with moving() as far:
        run = await at_work(far, folder, take_over=True)
        await run.finish()
    return run


MANY = (given_up, stopped, refused, unknown, nobody) if SOAK else ()
SCENES = {scene.__name__: scene for scene in (taken, *MANY)}
soak = pytest.mark.skipif(not SOAK, reason="each segment is sealed by a process: SOAK=1")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played[Any]:
    """All of them."""
    return play(tmp_path_factory.mktemp("taken"), SCENES)


def test_a_session_goes_on_in_another_recorder(played: Played[Any]) -> None:
    """No gap, nothing twice, no snapshot but the first, every book live; copies are counted, and
    the first recorder has done well."""
    old, new, refusals = played.outcome("taken")
    already = f"begin: process {os.getpid()} is about to take over already"
    now = "step '{0}' of a hand-over, or not now"
    assert refusals == [
        *(already, f"give: no {now.format('give')}", already),
        f"done: no {now.format('done')}",
    ]
    folder = played.folder("taken")
    check_tape(folder, "roll", "handover", "stop")
    assert exit_code(old.recorder) == exit_code(new.recorder) == WHOLE
    assert requests(folder) == 1
    assert not plain.table(folder, "gap")
    closes = plain.frames(folder, "close")
    assert [json.loads(close["payload"])["reason"] for close in closes] == ["taken over", "", ""]
    opened = {frame["conn"]: frame["seq"] for frame in plain.frames(folder, "open")}
    assert closes[0]["conn"] == 1 < min(set(opened) - {1})
    copies = plain.table(folder, "copy")
    assert len(copies) > MOVES_AFTER
    brought = {frame["seq"]: frame["conn"] for frame in plain.frames(folder, "data")}
    assert any(brought[copy["copied_seq"]] == 1 for copy in copies)
    assert not (folder / NAME).exists()


def test_a_silence_ends_in_the_process_that_has_taken_over(played: Played[Any]) -> None:
    """It goes on there, as the rows say, and ends with the first message."""
    folder = played.folder("taken")
    rows = [row for row in plain.table(folder, "silence") if row["topic"] == TICKER]
    handed = plain.frames(folder, "segment")[2]["seq"]
    verdicts = [row["verdict"] for row in rows if row["seq"] > handed]
    assert len({row["since_seq"] for row in rows}) == 1
    assert "heard" not in verdicts[:-1]
    assert len(verdicts) > 1
    assert (rows[-1]["verdict"], rows[-1]["evidence"]) == ("heard", f"it was {verdicts[-2]}")
    assert rows[-1]["lasted_ns"] > 0
    (message,) = [f for f in plain.frames(folder, "data") if TICKER.encode() in f["payload"]]
    assert rows[-1]["ts_until"] == message["ts_recv"]


@soak
def test_whoever_is_not_told_goes_on(played: Played[Any]) -> None:
    """With what has come meanwhile; the second one to ask gets it."""
    run = played.outcome("given_up")
    check_tape(played.folder("given_up"), *("roll", "handover") * 2, "stop")
    assert run.said("process 1 has not taken over in time: going on")
    assert requests(played.folder("given_up")) == 1


@soak
def test_a_stop_in_between_loses_nothing(played: Played[Any]) -> None:
    """What was held is a segment of its own."""
    played.outcome("stopped")
    check_tape(played.folder("stopped"), "roll", "handover", "stop")


@soak
def test_what_cannot_be_taken_over_goes_on(played: Played[Any]) -> None:
    """Nothing of it is on the tape but a roll for each who began."""
    run = played.outcome("refused")
    assert not run.recorder.handed_over
    assert check_tape(played.folder("refused"), *("roll",) * 2, "stop")


@soak
def test_memory_of_another_kind_is_not_carried(played: Played[Any]) -> None:
    """Two sessions, in each of which everything is there."""
    _, new = played.outcome("unknown")
    assert new.said("(memory 1, here")
    found = segments(Tape(played.folder("unknown")))
    assert [one.end for one in found] == ["roll", "handover", "stop"]
    assert len({one.session for one in found}) == 2
    assert all(one.verdict is Verdict.CERTIFIED for one in found)
    assert found[-1].first_ts > found[-2].last_ts
    assert found[-1].topics[SOL] > MOVES_AFTER


@soak
def test_with_nobody_at_work_it_starts_as_ever(played: Played[Any]) -> None:
    """A unit of systemd can say --take-over always."""
    assert played.outcome("nobody").recorder.settings.take_over
    check_tape(played.folder("nobody"), "stop")
