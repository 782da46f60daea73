"""A recorder that does not keep up: nothing is lost that is not counted, and replay sees it too."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from market.engine import Engine
from recorder.intake import Intake
from recorder.memory import Memory
from recorder.stamp import Clock, now
from schemas.frames import ConnectionOpened, Frame, Kind, SegmentHead, to_json
from schemas.rows import SCHEMA, Row
from schemas.shedding import Level
from tape.journal import JournalWriter
from tape.layout import SegmentName, Tape
from tape.manifest import Verdict
from tape.reader import read_frames, segments
from tape.seal import seal
from tape.version import FORMAT, code_version
from tests.market.stamps import event, subscribe
from tests.recorder.market import bid, trade
from tests.recorder.shed import needed, sums

STREAMS = {
    "ticker.SOL_USDC": event("ticker.SOL_USDC", e="ticker", s="SOL_USDC"),
    "kline.1m.SOL_USDC": event("kline.1m.SOL_USDC", e="kline", s="SOL_USDC"),
    "depth.200ms.SOL_USDC": event("depth.200ms.SOL_USDC", e="depth", s="SOL_USDC"),
    "bookTicker.SOL_USDC": event("bookTicker.SOL_USDC", e="bookTicker", s="SOL_USDC"),
    "depth.SOL_USDC": bid(11),
    "trade.SOL_USDC": trade(1),
    "account.orderUpdate": event("account.orderUpdate", e="orderFill"),
    "news.SOL_USDC": event("news.SOL_USDC", e="news"),
}
steps = st.lists(
    st.one_of(
        st.sampled_from(sorted(STREAMS)),
        st.sampled_from(sorted(STREAMS)),
        st.sampled_from(Level),
        st.just("roll"),
    ),
    max_size=60,
)


class Recording:
    """Segments that an intake makes, each sealed as soon as it has ended."""

    def __init__(self, folder: str, clock: Clock = now) -> None:
        self.frames: list[Frame] = []
        self.rows: list[Row] = []
        self.verdicts: list[Verdict] = []
        self.tape = Tape(Path(folder))
        self.intake = Intake(lambda request: None, Memory(10**9), clock)
        self.intake.listeners.append(self._hear)
        self._number = 0
        self._begin()
        self.open(1)

    def open(self, conn: int) -> None:
        """A connection, on which all is subscribed."""
        self.intake.take(Kind.OPEN, to_json(ConnectionOpened("ws://a")), conn=conn)
        self.intake.take(Kind.SENT, subscribe(*STREAMS), conn=conn)

    def end(self, reason: str) -> None:
        """End the segment and seal it."""
        journal = self.intake.end(reason)
        assert journal is not None
        journal.close()
        told = (json.loads(frame.payload) for frame in self.frames if frame.kind is Kind.LOAD)
        lost = sum(count for turn in told for count in turn.get("lost", {}).values())
        assert lost == self.intake.shedding.frames.total()  # no segment owes the next a count
        sealed = seal(journal.path, self.tape, Engine())
        assert sealed is not None
        self.verdicts.append(sealed.verdict)

    def roll(self) -> None:
        """The next segment."""
        self.end("roll")
        self._begin()

    def _begin(self) -> None:
        self._number += 1
        name = SegmentName("20261122T063000Z-0000", self._number)
        urls = ("ws://a", "http://a")
        head = SegmentHead(*name, FORMAT, code_version(), tuple(STREAMS), *urls, SCHEMA)
        self.intake.begin(head, JournalWriter(self.tape.journal(name)))

    def _hear(self, frame: Frame, rows: list[Row]) -> None:
        self.frames.append(frame)
        self.rows += rows


@settings(max_examples=12)
@given(steps)
def test_what_was_sent_is_on_the_tape_or_counted_and_replays(moves: list[str | Level]) -> None:
    """Whatever comes at whatever level, with rolls in between. Bytes of shed messages are in no
    batch of the journal, so sums are all there is."""
    with TemporaryDirectory() as folder:
        recording = Recording(folder)
        sent: Counter[str] = Counter()
        kept: Counter[str] = Counter()
        level = 0
        for move in moves:
            if move == "roll":
                recording.roll()
            elif isinstance(move, Level):
                recording.intake.turn(move)
                level = move
            else:
                recording.intake.take(Kind.DATA, STREAMS[move].encode(), conn=1)
                sent[move] += 1
                kept[move] += level < needed(move) + 3
        recording.intake.turn(Level.ALL)
        recording.end("stop")
        found = sums(recording.frames, recording.rows)
        assert found.taken == kept
        assert found.taken + found.load_frames == sent
        assert found.load_rows == found.skipped
        assert set(recording.verdicts) == {Verdict.CERTIFIED}
        assert recording.intake.shedding.frames.total() == found.load_frames.total()
        public = seen_by(replace(recording.tape, public=True))
        assert public == seen_by(recording.tape) - {"account.orderUpdate"}
        assert recording.intake.engine.load.skips_at.total() == found.skipped.total()


def seen_by(tape: Tape) -> set[str]:
    """The streams of all messages that a reader finds."""
    frames = (frame for segment in segments(tape) for frame in read_frames(tape, segment))
    return {json.loads(frame.payload)["stream"] for frame in frames if frame.kind is Kind.DATA}
