"""What gap rows are known to tell wrongly so far. The scripts that show it are kept, and fail.

Combinations look past these three, lest they hide all others; nothing else goes unsaid.
"""

from __future__ import annotations

from schemas.rows import Gap
from tests.faults.gaps import Excuses, Story
from tests.faults.truth import Emitted


def leapt_over(story: Story, topic: str, lost: Emitted) -> bool:
    """A snapshot joined that had it, and after that the ids went on; or the first frame of a new
    connection had lower ids."""
    made = story.made[topic]
    places = {one: n for n, one in enumerate(made)}
    at = places[lost]
    before = max(got.seq for got in story.arrived[topic] if places[got.made] < at)
    after = min((got for got in story.arrived[topic] if places[got.made] > at), key=lambda g: g.seq)
    if after.made.first < lost.first:
        return True
    joins = story.joined[topic].items()
    return any(before < seq < after.seq and lost.last <= joined for seq, joined in joins)


def from_an_old_snapshot(story: Story, row: Gap) -> bool:
    """Counted from a snapshot that joined after an outage, and was older than what had come."""
    return bool(story.frames[row.since_seq]["kind"] == "reply")


KNOWN = Excuses(leapt_over, from_an_old_snapshot)
