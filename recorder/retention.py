"""Has what is not to be kept pruned, in a process of its own, and looks ahead."""

import os
from collections.abc import Sequence
from time import time_ns

import msgspec

from recorder.child import run_child
from recorder.harvest import Sealed
from recorder.messages import Level, Message
from recorder.sealer import Notice, Sealer
from tape.forecast import Recorded, bytes_per_day, pretty_days
from tape.keep import Keep
from tape.layout import DAY_NS, Tape
from tape.quantities import pretty_size

_PATIENCE = 3  # times in a row that bp-tape may be at work, or the disk refuse


class Retained(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, and how things are.

    segments, freed: that were pruned, and their bytes.
    spared: by name, why it was not pruned although it is beyond what is to be kept.
    bytes: of all files now; per_day: as they grow, None where nobody can tell yet.
    oldest_ts: last frame of the oldest segment there is, ns; None where there is none.
    """

    segments: int
    freed: int
    spared: dict[str, str]
    bytes: int
    per_day: int | None
    oldest_ts: int | None


class Retention:
    """Prunes after each sealing. What is spared, and what fails, is said once; what may soon work
    again, if it does not.

    keep: what is not to be pruned. segments, freed: that were since the start, and their bytes.
    spared: by name, why a segment was not pruned the last time. latest: how things were then.
    """

    def __init__(self, tape: Tape, keep: Keep, notice: Notice) -> None:
        self._tape = tape
        self.keep = keep
        self._notice = notice
        self._failed = ""
        self._failures = 0  # in a row
        self.segments = 0
        self.freed = 0
        self.spared: dict[str, str] = {}
        self.latest: Retained | None = None

    async def run(self) -> None:
        """Prune once; that it cannot be done now is no fault: the next time will do."""
        done = await run_child("retain", str(self._tape.root), *self.keep.texts)
        if done.code:
            self._fail(done.code, done.reason)
            return
        self._failed, self._failures = "", 0
        self._note(msgspec.json.decode(done.output, type=Retained))

    def _note(self, retained: Retained) -> None:
        self.latest = retained
        self.segments += retained.segments
        self.freed += retained.freed
        if retained.segments:
            self._notice(
                f"pruned {retained.segments} segments, {pretty_size(retained.freed)}, beyond"
                f" {self.keep.told}"
            )
        for name, why in retained.spared.items():
            if name not in self.spared:
                self._notice(f"{name} is kept although it is beyond {self.keep.told}: {why}")
        self.spared = retained.spared

    def _fail(self, code: int, reason: str) -> None:
        self._failures += 1
        lasts = code != os.EX_TEMPFAIL or self._failures >= _PATIENCE
        if lasts and reason != self._failed:
            self._failed = reason
            text = f"nothing could be pruned: {reason}"
            self._notice(Message(text, "not_pruned", Level.WARNING))


def retaining(
    tape: Tape | None, sealer: Sealer | None, keep: Keep | None, notice: Notice
) -> Retention | None:
    """What prunes after each sealing, from now on, where that is asked for."""
    if sealer is not None:
        sealer.after = None
    if tape is None or sealer is None or keep is None:
        return None
    retention = Retention(tape, keep, notice)
    sealer.after = retention.run
    return retention


class Outlook:
    """How fast a recording grows, and how long that can go on.

    keep: None where all is kept.
    """

    def __init__(self, sealed: Sequence[Sealed], retention: Retention | None, keep: Keep | None):
        self._sealed = sealed
        self._latest = retention.latest if retention is not None else None
        self._keep = keep

    @property
    def per_day(self) -> int | None:
        """Bytes; of the whole recording if it is known, else of what this run has sealed. None
        where that is too little to tell."""
        if self._latest is not None:
            return self._latest.per_day
        return bytes_per_day(Recorded(s.first_ts, s.last_ts, s.bytes) for s in self._sealed)

    def days_left(self, free: int | None) -> float | None:
        """Until a disk with so many bytes free is full."""
        return free / self.per_day if free is not None and self.per_day else None

    @property
    def days_kept(self) -> float | None:
        """Until the oldest segment goes, 0 from then on; None where none will, or nobody knows."""
        keep, latest, per_day = self._keep, self._latest, self.per_day
        if keep is None or latest is None or latest.oldest_ts is None:
            return None
        until = []
        if keep.age is not None:
            until.append((keep.age - (time_ns() - latest.oldest_ts)) / DAY_NS)
        if keep.size is not None and per_day:
            until.append((keep.size - latest.bytes) / per_day)
        return max(min(until), 0.0) if until else None

    def text(self, free: int | None) -> str:
        """In a line; empty where there is nothing to say yet."""
        if not self.per_day:
            return ""
        parts = [f"{pretty_size(self.per_day)} a day"]
        if (days := pretty_days(self.days_left(free))) is not None:
            parts.append(f"the disk is full in {days} days")
        if self._keep is not None and (days := pretty_days(self.days_kept)) is not None:
            parts.append(f"{self._keep.told} takes effect in {days} days")
        return ", ".join(parts)
