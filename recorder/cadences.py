"""``CADENCES``: one line per channel: how long it may be silent, which REST reply tells why."""

from enum import StrEnum
from typing import NamedTuple


class Asks(StrEnum):
    """Which REST reply tells about a silent topic."""

    NOTHING = "nothing"
    BOOK = "depth"  # id and touch of the book
    TRADES = "trades"  # id of the newest trade
    MARKET = "market"  # whether there is such a market, and it is open


class Cadence(NamedTuple):
    """A channel. patience: seconds without a message, after which a topic of it is looked into;
    None: never, as streams of an account may be quiet for ever, and `Account` sees refusals.

    speaks: how often it does so by itself, whatever its market does; empty: it may be quiet for
        ever, and where nothing can be asked, only a topic that was never heard is spoken of.
    foreign: from outside the venue, where it may rest (protocol section 2.9).
    """

    channel: str
    patience: float | None
    asks: Asks = Asks.NOTHING
    speaks: str = ""
    foreign: bool = False


# Protocol sections 2.1 to 2.9 and 3; quiet books were seen to be silent for 30 s.
CADENCES: dict[str, Cadence] = {
    cadence.channel: cadence
    for cadence in (
        Cadence("depth", 60, Asks.BOOK),
        Cadence("bookTicker", 60, Asks.BOOK),
        Cadence("trade", 300, Asks.TRADES),
        Cadence("ticker", 15, Asks.MARKET, "once a second"),
        Cadence("kline", 30, Asks.MARKET, "every 5 s"),
        Cadence("markPrice", 15, Asks.MARKET, "once a second"),
        Cadence("openInterest", 200, Asks.MARKET, "once a minute"),
        Cadence("liquidation", 3_600),
        Cadence("externalTicker", 60, Asks.MARKET, "once a second", foreign=True),
        Cadence("stockPrice", 3_600),
        Cadence("stockIndicativeQuote", 60, Asks.NOTHING, "once a second", foreign=True),
        Cadence("account.orderUpdate", None),
        Cadence("account.positionUpdate", None),
        Cadence("account.balanceUpdate", None),
        Cadence("account.rfqUpdate", None),
    )
}
