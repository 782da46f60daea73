"""What can be played at all: segments that are sealed."""

from schemas.errors import NotARecording
from tape.layout import Tape


def check_sealed(tape: Tape) -> None:
    """Raises NotARecording where a recording has no sealed segment yet."""
    if not tape.manifests():
        raise NotARecording(
            f"{tape.root} holds journals only, nothing is sealed yet: wait until the recorder rolls"
            " a segment or stops; after a crash, bp-tape recover makes segments of them"
        )
