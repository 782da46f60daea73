"""Coverage by a model too dumb to be wrong: time in slots of one, frame after frame.

A session is a list of frames, each with a seq and a time; between two that follow one another it
covers the slots from the time of the first up to that of the second.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

Ranges = list[tuple[int, int]]


@dataclass
class DumbSession:
    """What a session of one segment after another heard.

    times: of its frames, seq from 1 on. steps: seqs of frames before which the clock was set.
    rolls: seqs of frames that begin a segment, with its topics.
    """

    name: str
    times: list[int]
    steps: frozenset[int]
    rolls: dict[int, frozenset[str]]
    holes: list[tuple[str | None, str, int, int | None]] = field(default_factory=list)

    def topics_at(self, seq: int) -> frozenset[str]:
        """Of the segment in which a frame is."""
        return self.rolls[max(first for first in self.rolls if first <= seq)]

    def gone(self, topic: str, seq: int) -> set[str]:
        """Causes for which the time from a frame to the next one is missing."""
        return {
            cause
            for of, cause, since, until in self.holes
            if of in (None, topic) and since <= seq and (until is None or seq < until)
        }

    def slots(self, topic: str) -> tuple[set[int], dict[int, set[str]]]:
        """Covered slots; and those that are not, with their causes."""
        covered: set[int] = set()
        missing: dict[int, set[str]] = {}
        for seq, (time, following) in enumerate(zip(self.times, self.times[1:], strict=False), 1):
            if seq + 1 in self.steps or topic not in self.topics_at(seq):
                continue
            causes = self.gone(topic, seq)
            for slot in range(time, following):
                if causes:
                    missing.setdefault(slot, set()).update(causes)
                else:
                    covered.add(slot)
        return covered, missing


def all_slots(
    sessions: Sequence[DumbSession], topic: str
) -> tuple[set[int], dict[int, set[str]], set[int]]:
    """Of all sessions: covered, missing with causes, and all that was to be recorded."""
    covered: set[int] = set()
    missing: dict[int, set[str]] = {}
    for session in sessions:
        mine, gone = session.slots(topic)
        covered |= mine
        for slot, causes in gone.items():
            missing.setdefault(slot, set()).update(causes)
    recorded = covered | set(missing)
    return covered, {slot: c for slot, c in missing.items() if slot not in covered}, recorded
