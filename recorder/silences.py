"""Counts of silent topics, for the summary and metrics: now, by verdict, and what was done."""

from collections import Counter

from schemas.check_rows import Silence
from schemas.frames import Judgement

ENDED = frozenset((Judgement.HEARD.value, Judgement.UNSUBSCRIBED.value))
LOST = (Judgement.DEAD.value, Judgement.NO_MARKET.value)  # what somebody ought to know


class Silences:
    """Counts the rows of them.

    open: those that go on, by topic, by their newest row. verdicts, actions: how many there were,
    each once for a silence that was of that verdict, and for each time that something was done.
    """

    def __init__(self) -> None:
        self.open: dict[str, Silence] = {}
        self.verdicts: Counter[str] = Counter()
        self.actions: Counter[str] = Counter()

    def see(self, row: Silence) -> None:
        """Take a row."""
        before = self.open.pop(row.topic, None)
        if row.verdict in ENDED:
            return
        self.open[row.topic] = row
        if before is None or before.verdict != row.verdict:
            self.verdicts[row.verdict] += 1
        if row.action:
            self.actions[row.action] += 1

    def verdict(self, topic: str) -> str:
        """What a topic is taken for now; empty if it is not silent."""
        row = self.open.get(topic)
        return "" if row is None else row.verdict

    def of(self, verdict: str) -> dict[str, str]:
        """Topics of a verdict, each with the evidence, by name."""
        return {
            name: row.evidence for name, row in sorted(self.open.items()) if row.verdict == verdict
        }

    @property
    def now(self) -> Counter[str]:
        """How many topics are silent, by verdict."""
        return Counter(row.verdict for row in self.open.values())
