"""Sealing: a journal is replayed through a fresh engine and becomes a segment.

The recorder left digests of what its live engine made in CHECKPOINT frames. Where the replay comes
to the same, the segment is certified (design section 2, "Sealing is replaying").
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from glob import escape
from pathlib import Path
from typing import Protocol

from schemas.frames import Frame
from schemas.rows import SCHEMA, Row
from tape import manifest as manifests
from tape.columns import filed_topic
from tape.files import remove, rename
from tape.journal import TORN, Damage, read_journal
from tape.layout import DAMAGED_ENDING, FRAMES, SegmentName, Tape
from tape.manifest import FileEntry, Lost, Manifest, Verdict
from tape.segment import SegmentWriter
from tape.tally import Tally
from tape.trial import Trial
from tape.version import code_version


class SealEngine(Protocol):
    """What sealing needs of an engine; it is given a fresh one for each segment."""

    @property
    def unknown(self) -> Mapping[str, int]:
        """Frames per stream or event it has no handler for."""

    def feed(self, frame: Frame) -> Sequence[Row]:
        """Take the next frame; the rows it makes."""


def pending_journals(tape: Tape) -> list[Path]:
    """Journals not sealed yet, in recording order."""
    return tape.journals()


def seal(journal: Path, tape: Tape, engine: SealEngine) -> Manifest | None:
    """Make a segment of a journal that nobody writes any more, then remove the journal.

    Returns its manifest; None where the journal held no frame. May be repeated after an
    interruption at any point. A journal damaged before its end, or torn with no frame in it, is
    kept beside, named ``.damaged``.
    Raises OSError where the disk refuses; the journal then stays.
    """
    name = SegmentName.of(journal)
    if tape.manifest(name).exists():
        before = manifests.load(tape.manifest(name))
        _retire(journal, before.damage, before.lost)
        return before
    replay = _Replay(journal)
    with SegmentWriter(tape, name) as writer:
        replay.run(engine, writer)
        files = writer.finish()
    sealed = replay.manifest(name, files, dict(engine.unknown)) if files else None
    if sealed is not None:
        _remove_leftovers(tape, name, files)
        manifests.save(sealed, tape)
    if sealed is None and replay.lost() is not None:
        _keep(journal)  # there was something, and nothing else would name it
    else:
        _retire(journal, replay.damage(), replay.lost())
    return sealed


class _Replay:
    """One journal on its way through an engine into a segment's files."""

    def __init__(self, journal: Path) -> None:
        self._reader = read_journal(journal)
        self._trial = Trial()
        self._tally = Tally()

    def run(self, engine: SealEngine, writer: SegmentWriter) -> None:
        for frame in self._reader:
            rows = engine.feed(frame)
            topic = filed_topic(frame)
            self._tally.add(frame, topic, rows)
            self._trial.see(frame, rows, intact=not (self._reader.damage or self._tally.jumps))
            writer.add(frame, topic, rows)

    def damage(self) -> list[Damage]:
        """What is missing before the last frame, whether or not bytes say so."""
        found = [noted for noted in self._reader.damage if noted is not self._reader.tail]
        known = {(noted.after_seq, noted.until_seq) for noted in found}
        jumps = [jump for jump in self._tally.jumps if jump not in known]
        return found + [Damage(0, 0, "seq does not go on by one", *jump) for jump in jumps]

    def lost(self) -> Lost | None:
        """What is missing after the last frame."""
        tail = self._reader.tail
        if tail is None:
            return None
        return Lost(tail.length, tail.after_seq, self._reader.last_ts, tail.reason)

    def verdict(self) -> Verdict:
        if self._trial.divergence is not None:
            return Verdict.DIVERGENT
        complete = self._trial.end is not None and not self.damage() and self.lost() is None
        return Verdict.CERTIFIED if complete else Verdict.RECOVERED

    def manifest(
        self, name: SegmentName, files: list[FileEntry], unknown: dict[str, int]
    ) -> Manifest:
        tally, digests = self._tally, self._trial.digests()
        return Manifest(
            rows_schema=SCHEMA,
            code=code_version(),
            session=name.session,
            number=name.number,
            verdict=self.verdict(),
            divergence=self._trial.divergence,
            end=self._trial.end,
            created=datetime.now(UTC),
            first_seq=tally.first_seq,
            last_seq=tally.last_seq,
            first_ts=tally.first_ts,
            last_ts=tally.last_ts,
            kinds=dict(sorted(tally.kinds.items())),
            topics=dict(sorted(tally.topics.items())),
            rows=dict(sorted(tally.rows.items())),
            unknown=dict(sorted(unknown.items())),
            frames_digest=digests.frames,
            rows_digest=digests.rows,
            damage=self.damage(),
            lost=self.lost(),
            files=files,
        )


def _remove_leftovers(tape: Tape, name: SegmentName, files: list[FileEntry]) -> None:
    """Remove what an interrupted sealing left and this one did not overwrite.

    Days are those of the frames, so however the rows changed, no other folder can hold any.
    """
    stem = escape(str(name))
    mine = {tape.root / entry.path for entry in files}
    days = {(tape.root / entry.path).parent.parent.name for entry in files}
    for day in days:
        for pattern in (f"{FRAMES}/{day}/*/{stem}.*", f"rows/*/{day}/*/{stem}.*"):
            for path in tape.root.glob(pattern):
                if path not in mine:
                    remove(path)


def _retire(journal: Path, damage: list[Damage], lost: Lost | None) -> None:
    """Remove a sealed journal; keep it, under another name, where it has bytes that are not sealed.

    The torn tail of a crash is only half a batch and nothing can be made of it.
    """
    unread = any(noted.length for noted in damage) or (lost is not None and lost.reason != TORN)
    if unread and journal.exists():
        _keep(journal)
    else:
        remove(journal)


def _keep(journal: Path) -> None:
    rename(journal, journal.with_name(journal.name + DAMAGED_ENDING))
