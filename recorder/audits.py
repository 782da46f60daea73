"""Fresh snapshots of books that are live, one after another, to compare them with."""

from collections.abc import Callable, Sequence

from market.sync_states import State
from recorder.intake import Intake
from recorder.interval import Interval
from recorder.rest import PER_SECOND
from recorder.snapshots import Snapshots
from schemas.topics import Topic

SHARE = 0.5  # of the requests the venue likes; the other half is for books that are not live

Notice = Callable[[str], None]


class Audits:
    """Asks for one book after another, spread evenly over the interval. Streams of one market share
    a request. topics: what is recorded now."""

    def __init__(
        self, topics: Callable[[], Sequence[str]], interval: Interval, notice: Notice
    ) -> None:
        self._topics = topics
        self._interval = interval
        books = len(self._books())
        if interval.every is not None and interval.every < (least := _least(books)):
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
            if not books:
                await self._interval.wait()
            for symbol, names in books.items():
                await self._interval.wait(len(books), _least(len(books)))
                if any(intake.engine.book_state(name) is State.LIVE for name in names):
                    snapshots.audit(symbol)


def _least(books: int) -> float:
    """Seconds that it takes to ask for so many."""
    return books / (PER_SECOND * SHARE)
