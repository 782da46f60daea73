"""What is served: a recording, or several as one, from which nothing of an account is read."""

from collections.abc import Sequence

from replay import sealed
from replay.server.breakpoints import BookOf
from replay.server.course import Course
from replay.server.courses import Courses
from replay.server.histories import Histories, Known
from tape.history import History
from tape.recordings import Folders, Recording
from tape.view import without_account


def opened(data: Folders, generation: int | None) -> tuple[list[Recording], list[str]]:
    """Recordings to be served, and what there is to say of what is not; as `replay.sealed.opened`,
    but for segments without rows: what REST says is read from rows."""
    there, notes = sealed.opened(data, merge=False, generation=generation)
    found = [
        Recording(without_account(tape), sealed.playable(parts, away, rows=True), away)
        for tape, parts, away in there
    ]
    return found, notes


def course_of(
    there: Sequence[Recording], start: int | str | None, until: int | str | None
) -> Course | Courses:
    """Of all of them. Raises UsageError where there is nothing between these times."""
    if len(there) > 1:
        return Courses(there, start, until)
    [(tape, parts, away)] = there
    return Course(tape, parts, start, until, away.unplayable | away.rows)


def history_of(there: Sequence[Recording], cache_bytes: int) -> Known:
    """The same. cache_bytes: bound on what all of them keep in memory."""
    found = [History(tape, parts, cache_bytes // len(there)) for tape, parts, _ in there]
    return found[0] if len(found) == 1 else Histories(found)


def book_behind(history: Known) -> BookOf:
    """Tells the book behind a frame."""
    return history.book if isinstance(history, History) else history.book_behind
