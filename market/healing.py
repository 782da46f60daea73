"""Asks REST for trades that are missing: one gap after another, so often and no more.

1. One request of a stream is on its way at a time. It is for the oldest gap of which something can
   be had: REST has the newest ``DEEPEST`` trades, and a gap that it did not help is tried ``TRIES``
   times.
2. A reply that brought any trade of its gap is followed at once by the next request: REST gives no
   more than a page. One that brought none may be older than the gap, as replies are cached
   (protocol section 6), so the same is asked for again, later each time.
3. A gap that is given up stays open. Its trades may still come by the stream.
"""

from collections import deque

from market.missing import MissingIds
from schemas.requests import DEEPEST, Request, TradesRequest

FIRST_NS = 500_000_000  # what is only late comes sooner
AGAIN_NS = 5_000_000_000  # a cached reply is that old
TRIES = 5  # the last one 75 s after the first


class Healing:
    """What was asked for. asked: ``expected_id`` of the gap that it is for, 0 if nothing is on its
    way."""

    __slots__ = ("_outbox", "_symbol", "asked")

    def __init__(self, symbol: str, outbox: deque[Request]) -> None:
        self._symbol = symbol
        self._outbox = outbox
        self.asked = 0

    def ask(self, missing: MissingIds, newest: int, delay_ns: int = FIRST_NS) -> None:
        """Ask for what is missing, unless something is asked for already. newest: id of the newest
        trade."""
        if self.asked:
            return
        for gap in missing.gaps:
            first = max(gap.ranges[0][0], newest - DEEPEST + 1)
            last = gap.ranges[-1][1]
            if gap.tries < TRIES and first <= last:
                self.asked = gap.hole.expected_id or 0
                self._outbox.append(TradesRequest(self._symbol, first, last, delay_ns))
                return

    def answered(self, missing: MissingIds, newest: int, came: bool, patience_ns: int = 0) -> None:
        """There is a reply, or a failure. came: whether it brought anything that was missing.
        patience_ns: how long not to ask again, at least."""
        asked, self.asked = self.asked, 0
        gap = next((gap for gap in missing.gaps if asked and gap.hole.expected_id == asked), None)
        if gap is None or came:
            self.ask(missing, newest, 0)
            return
        gap.tries += 1
        again = AGAIN_NS << (gap.tries - 1) if gap.tries < TRIES else FIRST_NS
        self.ask(missing, newest, max(again, patience_ns))
