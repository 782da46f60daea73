"""Fresh snapshots of books that are live, one after another, to compare them with."""

import asyncio
from collections.abc import Callable, Sequence

from market.sync_states import State
from recorder.intake import Intake
from recorder.rest import PER_SECOND
from recorder.snapshots import Snapshots
from schemas.topics import Topic

SHARE = 0.5  # of the requests the venue likes; the other half is for books that are not live

Notice = Callable[[str], None]


class Audits:
    """Asks for the books of these topics, spread evenly over an interval of ``every`` seconds.
    Streams of one market share a request."""

    def __init__(self, topics: Sequence[str], every: float, notice: Notice) -> None:
        self._topics: dict[str, list[str]] = {}
        for name in topics:
            topic = Topic.parse(name)
            if topic.channel == "depth":
                self._topics.setdefault(topic.symbol, []).append(name)
        least = len(self._topics) / (PER_SECOND * SHARE)
        self._every = max(every, least)
        if every < least:
            notice(
                f"audits: {len(self._topics)} books take {least:g}s at"
                f" {PER_SECOND * SHARE:g} requests/s, so each comes that often"
            )

    async def run(self, intake: Intake, snapshots: Snapshots) -> None:
        """Work until cancelled."""
        if not self._topics:
            return
        while True:
            for symbol, names in self._topics.items():
                await asyncio.sleep(self._every / len(self._topics))
                if any(intake.engine.book_state(name) is State.LIVE for name in names):
                    snapshots.audit(symbol)
