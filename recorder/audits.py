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
    """Asks for the books of the topics that are recorded, spread evenly over an interval of
    ``every`` seconds. Streams of one market share a request."""

    def __init__(self, topics: Callable[[], Sequence[str]], every: float, notice: Notice) -> None:
        self._topics = topics
        self._every = every
        books = len(self._books())
        if every < (least := _least(books)):
            notice(
                f"audits: {books} books take {least:g}s at"
                f" {PER_SECOND * SHARE:g} requests/s, so each comes that often"
            )

    def _books(self) -> dict[str, list[str]]:
        """Depth topics by their market."""
        books: dict[str, list[str]] = {}
        for name in self._topics():
            topic = Topic.parse(name)
            if topic.channel == "depth":
                books.setdefault(topic.symbol, []).append(name)
        return books

    async def run(self, intake: Intake, snapshots: Snapshots) -> None:
        """Work until cancelled."""
        while True:
            books = self._books()
            every = max(self._every, _least(len(books)))
            if not books:
                await asyncio.sleep(every)
            for symbol, names in books.items():
                await asyncio.sleep(every / len(books))
                if any(intake.engine.book_state(name) is State.LIVE for name in names):
                    snapshots.audit(symbol)


def _least(books: int) -> float:
    """Seconds that it takes to ask for so many."""
    return books / (PER_SECOND * SHARE)
