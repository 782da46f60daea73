"""Checks a journal that nobody writes and nobody has sealed: reads it from end to end."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from schemas.errors import TooNew
from schemas.frames import Frame, SegmentHead
from tape.finding import Finding
from tape.journal_batch import TORN
from tape.journal_reader import JournalReader, read_journal
from tape.layout import SegmentName
from tape.tally import Tally


def wrong_journal(path: Path, shown: str) -> Iterator[Finding]:
    """All there is to say against it; a torn end is a loss, all else is damage.

    shown: the path as the findings name it.
    """
    reader = read_journal(path)
    try:
        problems = list(_wrong_frames(reader, path))
    except TooNew as error:
        problems = [str(error)]
    except OSError as error:
        problems = [f"cannot be read ({error.strerror})"]
    yield from (Finding(shown, problem, True) for problem in problems)
    for bad in sorted((*reader.damage, *reader.flaws), key=lambda bad: bad.offset):
        torn = bad is reader.tail and bad.reason == TORN
        yield Finding(shown, str(bad), not torn)


def _wrong_frames(reader: JournalReader, path: Path) -> Iterator[str]:
    """What is wrong with the frames that can be read."""
    tally = Tally()
    for frame in reader:
        if not tally.kinds:
            yield from _wrong_head(frame, SegmentName.of(path))
        tally.add(frame, None, ())
    known = {(noted.after_seq, noted.until_seq) for noted in reader.damage}
    for one, following in tally.jumps:
        if (one, following) not in known:
            yield f"seq {one} is followed by seq {following}"


def _wrong_head(frame: Frame, name: SegmentName) -> Iterator[str]:
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        head = msgspec.json.decode(frame.payload, type=SegmentHead)
        if (head.session, head.number) != name:
            yield f"it is that of {SegmentName(head.session, head.number)}"
