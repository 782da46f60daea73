"""A recorder without sockets, at full speed, to be killed with all that works for it.

Three processes, as in life: one records and flushes its journal in a thread, as
`recorder.store.Store` does; one seals what is closed, as `recorder.seal`; one makes rows anew and
compacts, as bp-tape.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from market.engine import Engine
from recorder.intake import Intake
from recorder.stamp import Stamp
from schemas.frames import SegmentHead
from schemas.rows import SCHEMA
from tape.again import seal_again
from tape.compact import compact, finish
from tape.generations import all_generations
from tape.journal import JournalWriter
from tape.layout import SegmentName, Tape
from tape.lock import lock, upkeep
from tape.plan import plan
from tape.recover import perform, survey
from tape.seal import seal_alone
from tape.version import FORMAT, code_version
from tests.crashes.arrivals import TOPICS, arrival

FLUSH_EVERY_S = 0.003
SEGMENT_FRAMES = (50, 600)
SEALING_AT_ONCE = 4  # more journals than that are not begun before older ones are sealed
LONGEST_S = 30.0  # nobody lets it live as long

START_NS = 1_795_330_800_000_000_000  # 2026-11-22T07:00:00Z
FRAME_STEP_NS = 5_000_000_000  # an hour has 720 frames: segments cross hours, sessions cross days
SESSION_STEP_NS = 50 * 3_600_000_000_000
MOST_FRAMES = 30_000  # a session ends before the next one's time


def session_name(number: int) -> str:
    """Of the session that was the ``number``-th on its folder; sorts by time."""
    begins = datetime.fromtimestamp((START_NS + number * SESSION_STEP_NS) // 10**9, UTC)
    return f"{begins:%Y%m%dT%H%M%SZ}-{number:04d}"


def mend(tape: Tape) -> None:
    """``bp-tape recover``."""
    with lock(tape.root), upkeep(tape.root):
        for task in survey(tape, Engine):
            perform(task)


def seal_told(tape: Tape, paths: Iterable[str]) -> None:
    """Seal one journal after another."""
    for path in paths:
        seal_alone(Path(path.strip()), tape, Engine())


def keep(tape: Tape, chance: Random) -> None:
    """Again and again, see `tidy`."""
    while True:
        tidy(tape, chance)
        time.sleep(0.002)


def tidy(tape: Tape, chance: Random) -> None:
    """The rows of a segment are made anew, and all that can be compacted is."""
    with upkeep(tape.root):
        finish(tape)
        if sealed := all_generations(tape):
            seal_again(tape, chance.choice(sealed), Engine())
        for _ in compact(tape, plan(tape, all_days=True)):
            pass


def rehearse(tape: Tape) -> None:
    """Do all there is to do once, so that all is loaded."""
    session = Session(tape, 0, report=lambda seq: None, closed=lambda path: None)
    for _ in range(3):
        session.record_segment()
    session.rest()
    mend(tape)
    tidy(tape, Random(0))


class Session:
    """The recording process.

    report: is told, from the journal's thread, up to which seq all is on the disk.
    closed: is given each journal that nobody writes to any more.
    """

    def __init__(
        self, tape: Tape, number: int, report: Callable[[int], None], closed: Callable[[Path], None]
    ) -> None:
        self._tape = tape
        self._session = session_name(number)
        self._start_ns = START_NS + number * SESSION_STEP_NS
        self._report = report
        self._closed = closed
        self._chance = Random(number)
        self._intake = Intake(lambda request: None, clock=self._now)
        self._taken = 0
        self._number = 0
        self._writer = ThreadPoolExecutor(1)
        self._jobs: list[Future[None]] = []

    def run(self) -> None:
        """Until killed."""
        for journal in self._tape.journals():
            self._closed(journal)
        deadline = time.monotonic() + LONGEST_S
        while time.monotonic() < deadline:
            self.record_segment()
            while len(self._tape.journals()) > SEALING_AT_ONCE:
                self._do(lambda: None)
                time.sleep(0.001)

    def record_segment(self) -> None:
        """All of one but its end. As in `Store`, the new journal is there before the old one
        ends."""
        journal = JournalWriter(self._tape.journal(self._name(self._number + 1)))
        if self._number:
            self._end_segment()
        self._number += 1
        self._intake.begin(self._head(), journal)
        last = self._intake.seq + self._chance.randrange(*SEGMENT_FRAMES)
        flushed = 0.0
        while self._intake.seq < last and self._taken < MOST_FRAMES:
            kind, payload, topic, conn = arrival(self._session, self._taken)
            self._intake.take(kind, payload, topic=topic, conn=conn)
            self._taken += 1
            if time.monotonic() > flushed + FLUSH_EVERY_S:
                flushed = time.monotonic()
                self._flush(journal)

    def rest(self) -> None:
        """Wait until all that was given to the journal's thread is done, and end the thread."""
        self._writer.shutdown()

    def _flush(self, journal: JournalWriter) -> None:
        seq = self._intake.seq

        def flush() -> None:
            journal.flush()
            self._report(seq)

        self._do(flush)

    def _end_segment(self) -> None:
        ended, seq = self._intake.end("roll"), self._intake.seq
        path = self._tape.journal(self._name(self._number))
        assert ended is not None
        journal = ended

        def close() -> None:
            journal.close()
            self._report(seq)
            self._closed(path)

        self._do(close)

    def _do(self, work: Callable[[], None]) -> None:
        """Have it done in the journal's thread; raises what an earlier piece has failed with."""
        self._jobs.append(self._writer.submit(work))
        while self._jobs and self._jobs[0].done():
            self._jobs.pop(0).result()

    def _name(self, number: int) -> SegmentName:
        return SegmentName(self._session, number)

    def _now(self) -> Stamp:
        passed = self._intake.seq * FRAME_STEP_NS
        return Stamp(self._start_ns + passed, passed)

    def _head(self) -> SegmentHead:
        name, code = self._name(self._number), code_version()
        return SegmentHead(name.session, name.number, FORMAT, code, TOPICS, "", "", SCHEMA)
