"""What can be played at all: segments that are sealed."""

from collections.abc import Sequence

from schemas.errors import NotARecording
from tape.layout import Tape
from tape.manifest import Manifest
from tape.prunings import Pruned


def playable(parts: Sequence[Manifest], away: Pruned, rows: bool = False) -> list[Manifest]:
    """Segments of which the frames are there, and, if asked for, the rows.

    Raises NotARecording where there is none.
    """
    lacking = away.unplayable | (away.rows if rows else {})
    found = [part for part in parts if part.name not in lacking]
    if parts and not found:
        raise NotARecording("nothing is left to replay: " + "; ".join(away.notes()))
    return found


def check_sealed(tape: Tape) -> None:
    """Raises NotARecording where a recording has no sealed segment yet."""
    if not tape.manifests():
        raise NotARecording(
            f"{tape.root} holds journals only, nothing is sealed yet: wait until the recorder rolls"
            " a segment or stops; after a crash, bp-tape recover makes segments of them"
        )
