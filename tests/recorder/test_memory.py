"""The bound on what is held in memory, whatever is taken."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from recorder.intake import Intake
from recorder.memory import Memory
from schemas.frames import ConnectionOpened, Frame, Kind, to_json
from tape.journal import JournalWriter
from tests.market.stamps import event
from tests.recorder.test_intake import HEAD

LARGE = (Kind.DATA, Kind.BINARY, Kind.REPLY)
SMALL = (Kind.SENT, Kind.CLOCK, Kind.KEYFRAME, Kind.REQUEST)


def begun(folder: str, bound: int) -> tuple[Intake, JournalWriter]:
    """An intake with a journal that nobody flushes."""
    intake = Intake(lambda request: None, Memory(bound))
    journal = JournalWriter(Path(folder) / "a.00001.journal.zst")
    intake.memory.watch(journal)
    intake.begin(HEAD, journal)
    return intake, journal


def test_frames_that_are_never_shed_count_as_well() -> None:
    """A roll with large keyframes, then messages: not one fits any more."""
    with TemporaryDirectory() as folder:
        intake, journal = begun(folder, 1_000_000)
        intake.take(Kind.DATA, b"{}")
        for _ in range(200):
            intake.take(Kind.KEYFRAME, bytes(10_000), topic="depth.SOL_USDC")
        held, seq = journal.held, intake.seq
        assert held > 2_000_000
        intake.take(Kind.DATA, bytes(100))
        assert intake.memory.shedding
        assert intake.memory.lost == (1, 100)
        assert intake.seq == seq + 1  # the LOSS frame
        assert journal.held - held < 200
        journal.abandon()


@given(
    st.lists(
        st.tuples(st.sampled_from(LARGE + SMALL), st.integers(0, 3_000), st.booleans()),
        max_size=60,
    )
)
def test_no_message_is_taken_beyond_the_bound(steps: list[tuple[Kind, int, bool]]) -> None:
    """Each step: a frame of some size arrives, before it perhaps all is flushed."""
    bound = 10_000
    with TemporaryDirectory() as folder:
        intake, journal = begun(folder, bound)
        shed = 0
        for kind, size, flushed in steps:
            if flushed:
                journal.flush()
                intake.relieve()
            intake.take(kind, bytes(size), topic="x" * (size % 90))
            shed = intake.memory.lost.frames
            if kind in LARGE and not intake.memory.shedding:
                assert journal.held <= bound
        assert shed <= sum(kind in LARGE for kind, _, _ in steps)
        journal.abandon()


def test_what_waits_for_other_connections_counts_as_well() -> None:
    """Messages far ahead of their streams, on one of two connections: what no longer fits is lost,
    and then nothing waits for it."""
    intake = Intake(lambda request: None, Memory(3_000_000))
    frames: list[Frame] = []
    intake.listeners.append(lambda frame, rows: frames.append(frame))
    intake.begin(HEAD, None)
    for conn in (1, 2):
        intake.take(Kind.OPEN, to_json(ConnectionOpened("ws://a")), conn=conn)
    for number in (1, 3, 5, 7, 9):
        for market in "ABCDE":
            members = {"E": 1, "T": 1, "t": number, "p": f"{0:0200000}1", "q": "1", "m": True}
            text = event(f"trade.{market}", e="trade", s=market, **members)
            intake.take(Kind.DATA, text.encode(), conn=1)
            assert intake.engine.held < 3_000_000
    losses = [frame for frame in frames if frame.kind is Kind.LOSS]
    assert len(losses) == 1
    assert intake.memory.lost.frames > 0
    assert intake.engine.held == 0
    intake.relieve()
    assert not intake.memory.shedding
