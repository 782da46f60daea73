"""A ring is in memory only, and written when something happens: certified like all else."""

from __future__ import annotations

import asyncio
import os
from itertools import pairwise
from pathlib import Path
from signal import SIGUSR1

import pytest

from recorder.recorder import Recorder
from recorder.settings import Settings
from recorder.summary import exit_code
from replay.certify import certify
from replay.replay import Replay
from replay.report import Report
from schemas.errors import BackpackError, UsageError
from schemas.frames import Frame, Kind
from schemas.rows import Gap, Row, Trade
from tape.coverage import UNRECORDED, coverage
from tape.layout import Tape
from tape.manifest import Verdict
from tape.reader import segments, unkept
from tape.summary import summarize
from tape.verify import verify
from tests.recorder import plain
from tests.recorder.commands import at_work, options, venue
from tests.recorder.disks import tmpfs
from tests.recorder.market import SNAPSHOTS, TRADES, bid, depth, trade
from tests.recorder.ringing import Ringing, check_dumped
from tests.recorder.runs import Played, Run, Scene, play, running
from tests.venue import Cut, Do, Fault, Lose, Send, Venue, WaitRequest, WaitSubscribed

WHOLE, LOSSES = 0, 3
Told = tuple[Run, Ringing]


async def quiet(folder: Path) -> Told:
    """Nothing happens, and it is stopped."""
    stage, seen = Ringing(), []
    look = Do(lambda _: seen.extend(files(folder)))
    run = await stage.record([stage.passes(6, 6), look], folder)
    assert seen == []
    return run, stage


def files(folder: Path) -> list[str]:
    """All there is of a recording."""
    return [path.name for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]


async def twice(folder: Path) -> Told:
    """Dumped, then time goes by, then dumped again."""
    stage = Ringing()
    script = [
        *[stage.passes(4, 4), Send(bid(13)), stage.hears_all(3), stage.dumped("first look")],
        *[Send(bid(14)), stage.hears_all(4), stage.passes(4, 4), Send(bid(15)), stage.hears_all(5)],
        *[stage.dumped("second look"), stage.passes(1), stage.dumped("at once again")],
    ]
    return await stage.record(script, folder, ring=2.0), stage


async def gaps(folder: Path) -> Told:
    """Two gaps with a second between; what comes within two seconds belongs to them. Then something
    else, and a stop before its two seconds are over."""
    stage = Ringing()
    script = [
        *[stage.leaps(0.5), Lose(bid(13)), Send(bid(14)), WaitRequest("/api/v1/depth")],
        *[Send(trade(70)), stage.hears_all(4), stage.passes(1)],
        *[Send(trade(72)), stage.hears_all(5)],
        *[stage.leaps(1), stage.hears("dump: gap of depth.SOL_USDC, gap of trade.SOL_USDC, ")],
        *[Send(trade(73)), stage.hears_all(6), stage.leaps(1)],
        *[stage.hears("dump: what followed on gap of trade.SOL_USDC, ")],
        *[Send(trade(74)), stage.hears_all(7), stage.asked("x")],
    ]
    return await stage.record(script, folder, ring_after=2.0), stage


async def storm(folder: Path) -> Told:
    """A hundred gaps, of which each is a thing that happened. And the book crosses, stays so for a
    frame, uncrosses, and does it again."""
    stage = Ringing()
    trades = [trade(number) for number in range(100, 302, 2)]
    cross = depth(13, bids=[("100.80", "1.00")])
    stays = depth(14, bids=[("90.00", "2.00")])
    parts = depth(15, bids=[("100.80", "0.00")])
    again = depth(16, bids=[("100.70", "1.00")])  # as high as the best ask
    script = [
        *map(Send, (cross, stays, parts, again, *trades)),
        *[stage.hears_all(6 + len(trades)), stage.leaps(1)],
        stage.hears("dump: 100 x gap of trade.SOL_USDC, 2 x crossed book of SOL_USDC, "),
    ]
    return await stage.record(script, folder), stage


async def outage(folder: Path) -> Told:
    """A gap is open when its dump ends, and has ended before the next one."""
    stage = Ringing()
    script = [
        *[Cut(), stage.closes(), stage.leaps(1), stage.hears("gap of all streams (disconnect)")],
        *[WaitSubscribed(TRADES), Send(bid(13)), WaitRequest("/api/v1/depth"), Send(bid(14))],
        *[stage.hears_all(4), stage.passes(4, 2), Send(bid(15)), stage.hears_all(5)],
        *[stage.dumped("all is well")],
    ]
    return await stage.record(script, folder), stage


async def bookless(folder: Path) -> Told:
    """A book is lost in one dump, and has not come back in the next."""
    stage = Ringing()
    refuse = Do(lambda far_end: far_end.faults.add("/api/v1/depth", Fault(500, "oops"), times=99))
    script = [
        *[refuse, Lose(bid(13)), Send(bid(14)), stage.hears_all(3), stage.leaps(1)],
        *[stage.hears("dump: gap of depth.SOL_USDC"), stage.passes(4, 2), stage.dumped("no book")],
    ]
    return await stage.record(script, folder), stage


async def crowded(folder: Path) -> Told:
    """What comes in five seconds does not fit into memory; each second rolls as it is so large."""
    stage = Ringing()
    blocks = [Send(os.urandom(130_000), force=True) for _ in range(4)]
    seconds = [step for block in blocks for step in (block, stage.passes(1))]
    script = [*seconds, stage.hears("the ring is shorter than asked for"), stage.dumped("a look")]
    return await stage.record(script, folder, ring=60.0, memory=400_000), stage


SCENES: dict[str, Scene[Told]] = {
    s.__name__: s for s in (*(quiet, twice, gaps, storm, outage, bookless, crowded),)
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played[Told]:
    """All scenes, each with a venue and a recorder of its own."""
    return play(tmp_path_factory.mktemp("rings"), SCENES)


def test_nothing_is_written_when_nothing_happens(played: Played[Told]) -> None:
    """Neither before the end nor at it; and that is no loss."""
    run, stage = played.outcome("quiet")
    assert files(played.folder("quiet")) == []
    assert stage.begun >= 7
    assert exit_code(run.recorder) == WHOLE
    assert not any("dump" in notice for notice in run.notices)
    assert run.recorder.intake.memory.held == 0
    with pytest.raises(BackpackError, match="ended without this dump"):
        asyncio.run(run.recorder.dump("too late"))


def test_dumps_by_hand(played: Played[Told]) -> None:
    """Each is what was in the ring, certified; between them nothing was to be kept."""
    run, stage = played.outcome("twice")
    data = played.folder("twice")
    found = check_dumped(run, data)
    first, second, third = stage.dumps
    assert [m.name for m in found] == [*first.segments, *second.segments, *third.segments]
    assert found[0].number > 1
    assert (first.frames, second.frames) == tuple(
        sum(m.frames for m in found if m.name in dump.segments) for dump in (first, second)
    )
    for dump in (first, second):
        assert 2.0 <= dump.span < 4.5
    assert [unkept(*pair) for pair in pairwise(found)].count(True) == 1
    assert third.segments[0].number == second.segments[-1].number + 1
    ends = [m.end for m in found if m.end != "roll"]
    whys = ["first look", "second look", "at once again"]
    assert [str(end).partition(" at frame ")[0] for end in ends] == [f"dump: {w}" for w in whys]
    assert exit_code(run.recorder) == WHOLE
    assert run.said(f"dump: first look, {first}")
    assert run.recorder.ring is not None
    assert run.recorder.ring.status.endswith("; dumps: 3")


def test_what_was_not_kept_is_not_missed(played: Played[Told]) -> None:
    """By nobody who reads: it was not recorded."""
    run, _ = played.outcome("twice")
    data = played.folder("twice")
    found, summary = segments(Tape(data)), summarize(Tape(data), segments(Tape(data)))
    assert summary.losses == []
    assert next(iter(summary.dumps.values())).startswith("first look at frame ")
    (day, *_), apart = coverage(Tape(data), found), [p for p in pairwise(found) if unkept(*p)]
    missing = {(m.ts_since, m.ts_until, m.cause) for m in day.missing}
    assert {(one.last_ts, two.first_ts, UNRECORDED) for one, two in apart} <= missing
    assert day.gaps == 0
    replay = Replay(data)
    report = Report(replay)
    for frame, rows in replay.frames():
        report.see(frame, rows)
    kept = {seq for m in found for seq in range(m.first_seq, m.last_seq + 1)}
    assert report.rows == sum(row.seq in kept for row in run.rows)
    assert report.losses() == []
    certificate = certify(data)
    assert (certificate.missing, certificate.lost) == ((), ())
    assert any("2 dumps of a ring" in line for line in report.lines())


def test_a_segment_that_is_lost_from_a_dump_is_missed(played: Played[Told]) -> None:
    """Unlike those that were never written."""
    _, stage = played.outcome("twice")
    data, (first, *_) = played.folder("twice"), stage.dumps
    path = Tape(data).manifest(first.segments[1])
    aside = path.rename(path.with_suffix(".aside"))
    problems = [finding.problem for finding in verify(Tape(data))]
    aside.rename(path)
    assert "missing between its neighbours" in problems


def test_gaps_are_dumped_with_what_follows(played: Played[Told]) -> None:
    """The trade after the second gap came behind the dump for both, and has one of its own."""
    run, _ = played.outcome("gaps")
    data = played.folder("gaps")
    found = check_dumped(run, data)
    ends = [m.end for m in found if m.end != "roll"]
    opened = [row.seq for row in run.table("gap") if isinstance(row, Gap) and row.state == "open"]
    depth_gap, trade_gap = opened
    assert ends[:2] == [
        f"dump: gap of depth.SOL_USDC, gap of trade.SOL_USDC at frame {depth_gap}",
        f"dump: what followed on gap of trade.SOL_USDC at frame {trade_gap}",
    ]
    assert [row["trade_id"] for row in plain.table(data, "trade")] == [70, 72, 73, 74]
    assert not any(unkept(*pair) for pair in pairwise(found))
    assert exit_code(run.recorder) == LOSSES  # of the venue's ids, as ever


def test_a_dump_that_is_due_is_written_at_a_stop(played: Played[Told]) -> None:
    """Up to the last frame; who waits for it is told."""
    run, stage = played.outcome("gaps")
    last = segments(Tape(played.folder("gaps")))[-1]
    assert stage.dumps[-1].segments[-1] == last.name
    assert last.last_seq == run.frames[-1].seq
    assert str(last.end).startswith("dump: x at frame ")


def test_what_happens_often_is_dumped_once(played: Played[Told]) -> None:
    """With the counts, as the scene has heard."""
    run, _ = played.outcome("storm")
    check_dumped(run, played.folder("storm"))
    assert run.recorder.ring is not None
    assert run.recorder.ring.dumps.count == 1
    assert sum(notice.startswith("dump: ") for notice in run.notices) == 1


def test_a_gap_that_was_open_at_the_end_of_a_dump_goes_no_further(played: Played[Told]) -> None:
    """It ended in what was not kept: the next dump is covered."""
    run, stage = played.outcome("outage")
    data = played.folder("outage")
    found = check_dumped(run, data)
    after = next(m for m in found if m.name == stage.dumps[0].segments[0])
    assert any(unkept(*pair) for pair in pairwise(found))
    for day in coverage(Tape(data), found):
        gaps = [m for m in day.missing if m.cause != UNRECORDED]
        assert [m.cause for m in gaps] == ["disconnect"]
        assert gaps[0].ts_until < after.first_ts


def test_a_gap_that_goes_on_in_the_next_dump_is_one_there(played: Played[Told]) -> None:
    """Though no row of that dump says so; also when the dump that does is not there."""
    run, stage = played.outcome("bookless")
    data = played.folder("bookless")
    found = check_dumped(run, data)
    after = [m for m in found if m.name in stage.dumps[0].segments]
    assert not any(m.rows.get("gap") for m in after)
    for there in (found, after):
        (of_depth,) = [day for day in coverage(Tape(data), there) if day.topic.startswith("depth")]
        gaps = [m for m in of_depth.missing if m.cause == "depth_ids"]
        assert gaps[-1].ts_until >= after[-1].last_ts


def test_a_ring_that_does_not_fit_is_shorter(played: Played[Told]) -> None:
    """No frame is shed, and the bound is kept."""
    run, stage = played.outcome("crowded")
    check_dumped(run, played.folder("crowded"))
    (dump,) = stage.dumps
    assert dump.span < 5.0
    assert run.recorder.intake.memory.lost.frames == 0
    assert sum("the ring is shorter" in notice for notice in run.notices) == 1
    assert run.kinds(Kind.LOSS) == []


def test_a_crash_is_dumped(tmp_path: Path) -> None:
    """A fault of our own in a handler: all that was held is there, and why."""
    sent = [trade(number) for number in range(1, 301)]

    def fail(frame: Frame, rows: list[Row]) -> None:
        if rows and isinstance(rows[0], Trade) and rows[0].trade_id == 3:
            raise ZeroDivisionError("a bug")

    runs: list[Run] = []

    async def scene() -> None:
        far_end = Venue([WaitSubscribed(TRADES), *map(Send, sent)], snapshots=SNAPSHOTS)
        async with far_end, running(far_end, tmp_path, TRADES, ring=60.0) as run:
            runs.append(run)
            run.recorder.intake.listeners.append(fail)
            await run.until(lambda: False)

    with pytest.raises(BackpackError, match=r"a bug\); what the ring held is written"):
        asyncio.run(scene())
    kept = plain.payloads(tmp_path)
    assert len(kept) >= 3
    assert kept == [frame.encode() for frame in sent[: len(kept)]]
    assert [row["trade_id"] for row in plain.table(tmp_path, "trade")] == [*range(1, len(kept) + 1)]
    assert runs[0].said("dump: crash: BackpackError: a fault of this program")
    assert {m.verdict for m in segments(Tape(tmp_path))} == {Verdict.RECOVERED}


def test_a_failure_of_who_runs_it_is_a_crash(tmp_path: Path) -> None:
    """What was held by then is certified."""

    async def scene() -> None:
        async with Venue(snapshots=SNAPSHOTS) as far_end:
            settings = Settings((TRADES,), tmp_path, far_end.ws_url, far_end.rest_url, ring=60.0)
            async with Recorder(settings).capturing():
                raise KeyError("a bug elsewhere")

    with pytest.raises(KeyError):
        asyncio.run(scene())
    (found,) = segments(Tape(tmp_path))
    assert found.verdict is Verdict.CERTIFIED
    assert str(found.end).startswith("dump: crash: KeyError: 'a bug elsewhere' at frame ")


def test_a_disk_that_refuses_is_tried_again(tmp_path: Path) -> None:
    """The ring rolls on meanwhile; the dump is as it was to be."""
    with tmpfs(tmp_path / "disk", "4m") as disk:
        stage, data = Ringing(), disk.root / "tape"
        script = [
            *[
                stage.passes(2),
                Do(lambda _: disk.fill()),
                Send(bid(13)),
                stage.hears_all(3),
                stage.asked("x"),
            ],
            *[stage.leaps(1), stage.hears("the disk refuses writes"), stage.passes(2)],
            *[Do(lambda _: disk.empty()), stage.hears("nothing was lost"), stage.hears("dump: x")],
        ]
        run = asyncio.run(stage.record(script, data))
        found = check_dumped(run, data)
        assert exit_code(run.recorder) == WHOLE
        assert plain.payloads(data)[-1] == bid(13).encode()
        assert found[-1].number < stage.begun


def test_a_disk_that_stays_full_is_told(tmp_path: Path) -> None:
    """Who waits for the dump hears it, and so do people."""
    with tmpfs(tmp_path / "disk", "4m") as disk:
        stage = Ringing()
        script = [Do(lambda _: disk.fill()), stage.leaps(1)]

        async def scene() -> None:
            steps = [*script, stage.asked("x"), stage.hears("the disk refuses writes")]
            with pytest.raises(BackpackError, match=r"up to [0-9]+ frames .* are lost"):
                await stage.record(steps, disk.root / "tape")
            with pytest.raises(BackpackError, match="ended without this dump"):
                await stage.waiting[0]

        asyncio.run(scene())


def test_bp_record_dumps_at_a_signal(tmp_path: Path) -> None:
    """Its options from a file; stopped, it is whole."""
    config = tmp_path / "bp.toml"
    config.write_text('ring = "60s"\nring_after = "0s"\n')
    data = tmp_path / "tape"
    with (
        venue("--feed", "sim", "--seconds", "20", "--speed", "4", "--repeat", "0") as far_end,
        at_work(*options(far_end, data, *far_end.topics), "--config", str(config)) as recording,
    ):
        recording.until((data / "journal").exists)
        recording.interrupt(SIGUSR1)
        recording.hear("dump: SIGUSR1, ")
        recording.interrupt()
        ended = recording.end()
    assert ended.code == WHOLE, ended
    assert ["dumps of the ring", "1"] in ended.lines
    assert {m["verdict"] for m in plain.manifests(data)} == {"certified"}
    assert verify(Tape(data)) == []


def test_the_signal_ends_no_recorder_without_a_ring(tmp_path: Path) -> None:
    """Where nothing handles it, it ends the process at once and unsealed."""
    with (
        venue("--feed", "sim", "--seconds", "20", "--speed", "4", "--repeat", "0") as far_end,
        at_work(*options(far_end, tmp_path / "tape", *far_end.topics)) as recording,
    ):
        recording.until((tmp_path / "tape/journal").exists)
        recording.interrupt(SIGUSR1)
        recording.hear("there is no ring to dump")
        recording.interrupt()
        assert recording.end().code == WHOLE


def test_without_a_ring_there_is_nothing_to_dump(tmp_path: Path) -> None:
    """And that is said."""
    recorder = Recorder(Settings((TRADES,), tmp_path))
    with pytest.raises(UsageError, match="no ring to dump"):
        asyncio.run(recorder.dump("x"))
