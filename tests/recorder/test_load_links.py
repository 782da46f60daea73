"""Two connections, a recorder that does not keep up, and segments that end: it all adds up."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from tempfile import TemporaryDirectory
from typing import NamedTuple

from hypothesis import example, given, settings
from hypothesis import strategies as st

from recorder.folding import Folding
from recorder.stamp import Stamp
from schemas.frames import Kind
from schemas.rows import Trade
from schemas.shedding import Level
from tape.manifest import Verdict
from tests.market.stamps import event
from tests.recorder.market import SOL, TRADES, bid, trade
from tests.recorder.shed import needed, sums
from tests.recorder.test_load import Recording

TICKER = "ticker.SOL_USDC"
MS = 1_000_000
LONGEST_MS = 9_000  # all together: copies that come later are not looked for


class Bring(NamedTuple):
    """A connection brings the next of what happens, or has lost it."""

    conn: int
    lost: bool = False


class Wait(NamedTuple):
    """Time passes."""

    ms: int


Move = Bring | Wait | Level | str  # "roll"
BRINGS = st.builds(Bring, st.integers(1, 2), st.sampled_from((False, False, False, True)))
MOVES = st.lists(
    st.one_of(BRINGS, BRINGS, BRINGS, BRINGS, st.builds(Wait, st.sampled_from((1, 60, 1_100))),
              st.sampled_from(Level), st.just("roll")),
    max_size=60,
)  # fmt: skip


def happens(number: int) -> tuple[str, str]:
    """What the venue says next, on all connections: its stream, its text."""
    if number % 3 == 0:
        return TICKER, event(TICKER, e="ticker", s="SOL_USDC", c=str(number + 1))
    return (SOL, bid(number)) if number % 3 == 1 else (TRADES, trade(number // 3 + 1))


class Scene:
    """sent: messages by stream, on both connections together. looked: trades that came while rows
    were made of them."""

    def __init__(self, folder: str) -> None:
        self.mono = 10**12
        self._latest = self.mono + LONGEST_MS * MS
        self.recording = Recording(folder, lambda: Stamp(self.mono, self.mono))
        self.recording.open(2)
        self.folding = Folding(self.recording.intake)
        self.sent: Counter[str] = Counter()
        self.looked: set[int] = set()
        self.next = {1: 0, 2: 0}
        with self.folding.on():
            for number in (1, 2, 2, 1, 1, 2):  # the first of each stream, before all that is missed
                self.bring(Bring(number))

    def play(self, moves: list[Move]) -> None:
        """All of them; then it keeps up, and whoever is behind comes after."""
        with self.folding.on():
            for move in moves:
                self._do(move)
            self.recording.intake.turn(Level.ALL)
            while self.next[1] != self.next[2]:
                self.bring(Bring(min(self.next, key=self.next.__getitem__)))
        self.recording.end("stop")

    def bring(self, move: Bring) -> None:
        """A message, or none."""
        name, text = happens(self.next[move.conn])
        self.next[move.conn] += 1
        if move.lost:
            return
        self.sent[name] += 1
        before = len(self.recording.frames)
        stamp = Stamp(self.mono, self.mono)
        self.folding.take(Kind.DATA, text.encode(), move.conn, stamp)
        taken = any(f.kind is Kind.DATA for f in self.recording.frames[before:])
        if name == TRADES and taken and self.recording.intake.shedding.level < needed(TRADES):
            self.looked.add(json.loads(text)["data"]["t"])

    def _do(self, move: Move) -> None:
        if isinstance(move, Bring):
            self.bring(move)
        elif isinstance(move, Wait):
            self.mono = min(self.mono + move.ms * MS, self._latest)
        elif isinstance(move, Level):
            self.recording.intake.turn(move)
        else:
            self.recording.roll()


AHEAD: list[Move] = [*[Bring(1)] * 6, Level.NOTHING, *[Bring(1)] * 6, *[Bring(2)] * 9, "roll"]
WAITS: list[Move] = [*[Bring(1)] * 2, Bring(1, lost=True), *[Bring(1)] * 3, Level.NO_ROWS]


@settings(max_examples=20, deadline=None)
@given(MOVES)
@example([*AHEAD, Level.ALL, *[Bring(2)] * 6])
@example([*WAITS, "roll", *[Bring(2)] * 6, Wait(1_100), Bring(1)])
def test_what_both_have_sent_is_on_the_tape_copied_or_counted(moves: list[Move]) -> None:
    """A message that is shed counts on each connection; one that comes later elsewhere is new."""

    async def scene() -> None:
        with TemporaryDirectory() as folder:
            played = Scene(folder)
            played.play(moves)
            check(played)

    asyncio.run(scene())


def check(played: Scene) -> None:
    """By stream, to the message."""
    recording = played.recording
    found = sums(recording.frames, recording.rows)
    assert found.taken + found.copies + found.load_frames == played.sent
    assert found.load_rows == found.skipped
    assert found.load_frames.total() == recording.intake.shedding.frames.total()
    payloads = Counter(f.payload for f in recording.frames if f.kind is Kind.DATA)
    assert set(payloads.values()) == {1}
    ids = [row.trade_id for row in recording.rows if isinstance(row, Trade)]
    assert sorted(ids) == sorted(played.looked)
    assert set(recording.verdicts) == {Verdict.CERTIFIED}
