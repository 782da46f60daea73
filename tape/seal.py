"""Sealing: a journal is replayed through a fresh engine and becomes a segment.

The recorder left digests of what its live engine made in CHECKPOINT frames. Where the replay comes
to the same, the segment is certified (design section 2, "Sealing is replaying").
"""

import fcntl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from schemas.errors import TapeError
from schemas.frames import Frame
from tape import manifest as manifests
from tape.draft import Draft, SealEngine
from tape.files import remove, rename
from tape.generations import current
from tape.journal_batch import TORN
from tape.journal_reader import Damage, JournalReader, read_journal
from tape.layout import DAMAGED_ENDING, FRAMES, ROWS, SegmentName, Tape
from tape.leftovers import folders_of, remove_unnamed
from tape.losses import mended
from tape.manifest import Lost, Manifest, Origin
from tape.segment import SegmentWriter


def seal_alone(journal: Path, tape: Tape, engine: SealEngine) -> Manifest | None:
    """`seal`, when nobody else does it; None too where somebody has meanwhile.

    A sealing outlives a recorder that is killed, and the next one finds the journal still there:
    two at work would rename each other's half-written files.
    """
    try:
        file = journal.open("rb")
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        raise TapeError(f"{journal} is a folder, not a journal: move it away") from None
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return seal(journal, tape, engine) if journal.exists() else None


def seal(journal: Path, tape: Tape, engine: SealEngine) -> Manifest | None:
    """Make a segment of a journal that nobody writes any more, then remove the journal.

    Returns its manifest; None where the journal held no frame. May be repeated after an
    interruption at any point. Frames that damage took from its middle become a LOSS frame. A
    journal damaged before its end, or torn with no frame in it, is kept beside, named ``.damaged``.
    Raises OSError where the disk refuses; the journal then stays.
    """
    name = SegmentName.of(journal)
    if tape.is_sealed(name):
        before = current(tape.manifests_of(name))
        _retire(journal, before.damage, before.lost)
        return before
    reader = read_journal(journal)
    draft = Draft(name, engine, reader.damage)
    with SegmentWriter(tape, name) as writer:
        for filed in draft.feed(mended(reader, seq_before(tape, name), _holes(reader))):
            writer.add(filed)
        files = writer.finish()
    draft.lost = _lost(reader)
    if files:
        sealed = draft.manifest(files, 0, Origin.JOURNAL)
        remove_unnamed(tape, name, files, folders_of(files, FRAMES, f"{ROWS}/*"))
        manifests.save(sealed, tape)
        _retire(journal, sealed.damage, sealed.lost)
        return sealed
    if draft.lost is not None:
        _keep(journal)  # there was something, and nothing else would name it
    else:
        remove(journal)
    return None


def _holes(reader: JournalReader) -> Callable[[Frame], int | None]:
    """Bytes of a journal that are missing right before a frame of it."""

    def hole(frame: Frame) -> int | None:
        found = [noted.length for noted in reader.damage if noted.until_seq == frame.seq]
        return sum(found) if found else None

    return hole


def seq_before(tape: Tape, name: SegmentName) -> int | None:
    """Last seq of the segment before, 0 for the first of a session; None if it is not known."""
    if name.number <= 1:
        return 0
    with suppress(TapeError):  # a damaged manifest is no reason not to seal the next segment
        if paths := tape.manifests_of(SegmentName(name.session, name.number - 1)):
            return current(paths).last_seq
    return None


def _lost(reader: JournalReader) -> Lost | None:
    """What is missing after the last frame."""
    tail = reader.tail
    if tail is None:
        return None
    return Lost(tail.length, tail.after_seq, reader.last_ts, tail.reason)


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
