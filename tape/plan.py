"""Which days to compact together."""

from collections.abc import Sequence

from schemas.errors import TapeError
from tape.days import Day, scattered_days
from tape.generations import Generations, all_generations
from tape.layout import SegmentName, Tape
from tape.manifest import Manifest
from tape.merged import begun
from tape.prunings import pruned


def plan(tape: Tape, day: int | None = None, all_days: bool = False) -> list[Day]:
    """The days there is something to do for: the complete ones, or ``all_days``, or one ``day``.

    A day with a segment whose rows were pruned stays as it is, as others may share what is left.
    Raises TapeError where a manifest cannot be read.
    """
    found, away = _scattered(tape), pruned(tape).rows.keys()
    wanted = [one for one in _wanted(found, day, all_days) if not one.names & away]
    return _together(found, wanted)


def plan_begun(tape: Tape) -> list[Day]:
    """The days for which a compaction was cut off while it switched."""
    segments = all_generations(tape)
    behind = begun(tape, segments).names
    if not behind:
        return []
    found = list(scattered_days(tape, counting(segments)))
    return _together(found, [one for one in found if behind & one.names])


def held_back(tape: Tape, day: int) -> list[str]:
    """Dates of the days without which a day cannot be compacted: rows of a segment that is on both
    were made anew, and come out of their tree all together or not at all."""
    found = _scattered(tape)
    wanted = _wanted(found, day, all_days=True)
    left = _left_apart(found, wanted)
    return sorted({one.date for one in found if one not in wanted and one.apart & left})


def counting(segments: Sequence[Generations]) -> list[Manifest]:
    """The manifest of each segment that counts; raises TapeError where one cannot be read."""
    found = []
    for segment in segments:
        if segment.current is None or segment.damaged:
            raise TapeError(
                f"a manifest of {segment.name} cannot be read: bp-tape recover makes it anew"
            )
        found.append(segment.current)
    return found


def _scattered(tape: Tape) -> list[Day]:
    return list(scattered_days(tape, counting(all_generations(tape))))


def _wanted(found: Sequence[Day], day: int | None, all_days: bool) -> list[Day]:
    return [one for one in found if (one.complete or all_days) and day in (None, one.day)]


def _together(found: Sequence[Day], todo: list[Day]) -> list[Day]:
    """Without days of which only a part could be moved."""
    while left := _left_apart(found, todo):
        todo = [one for one in todo if not left & one.names]
    return todo


def _left_apart(found: Sequence[Day], todo: Sequence[Day]) -> set[SegmentName]:
    """Segments with rows in a tree of their own, of which only some would come out of it."""
    left = {name for day in found if day not in todo for name in day.apart}
    return left & {name for day in todo for name in day.names}
