"""What can be played at all: segments that are sealed."""

from collections.abc import Sequence

from schemas.errors import NotARecording
from tape.layout import Tape
from tape.manifest import Manifest
from tape.prunings import Pruned, pruned
from tape.reader import segments
from tape.recordings import Folders, Recording, missing_shards, tapes
from tape.view import permitted


def playable(parts: Sequence[Manifest], away: Pruned, rows: bool = False) -> list[Manifest]:
    """Segments of which the frames are there, and, if asked for, the rows.

    Raises NotARecording where there is none.
    """
    lacking = away.unplayable | (away.rows if rows else {})
    found = [part for part in parts if part.name not in lacking]
    if parts and not found:
        raise NotARecording("nothing is left to replay: " + "; ".join(away.notes()))
    return found


def opened(data: Folders, merge: bool, generation: int | None) -> tuple[list[Recording], list[str]]:
    """Recordings to be played, with the segments that can be, and what there is to say of others.

    Raises NotARecording where nothing is sealed, and as `tape.reader.segments`.
    """
    there = tapes(data)
    sealed = [tape for tape in there if tape.manifests()]
    if not sealed:
        check_sealed(there[0])
    found, notes = [], list(missing_shards(there))
    for tape in sealed:
        away = pruned(tape)
        parts = playable(segments(tape, merge=merge, generation=generation), away)
        found.append(Recording(permitted(tape, parts), parts, away))
        notes += away.notes()
    notes += [f"{tape.root} has nothing sealed yet" for tape in there if tape not in sealed]
    return found, notes


def check_sealed(tape: Tape) -> None:
    """Raises NotARecording where a recording has no sealed segment yet."""
    if not tape.manifests():
        raise NotARecording(
            f"{tape.root} holds journals only, nothing is sealed yet: wait until the recorder rolls"
            " a segment or stops; after a crash, bp-tape recover makes segments of them"
        )
