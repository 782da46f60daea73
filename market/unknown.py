"""What the venue sent that has no handler, counted by name."""

from collections import Counter

NAMES_LIMIT = 1_000  # of them; what a venue makes up must not fill memory and manifests
NAMELESS = "..."  # all beyond

_LONGEST = 64


class Unknown(Counter[str]):
    """Frames by channel, or by channel and event."""

    def see(self, channel: str, event: str = "") -> None:
        """One more."""
        name = f"{channel[:_LONGEST]}/{event[:_LONGEST]}" if event else channel[:_LONGEST]
        self[name if name in self or len(self) < NAMES_LIMIT else NAMELESS] += 1
