"""Topics asked for, against the markets there are. What cannot exist is refused by name."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from fnmatch import fnmatchcase

import msgspec

from market.streams import PUBLIC, STREAMS
from recorder.keys import HOW
from schemas.errors import TopicError, VenueError
from schemas.topics import ACCOUNT, INTERVALS, WINDOWS, Topic
from schemas.wire import Symbol

DERIVATIVES = ("PERP", "IPERP", "DATED", "PREDICTION")  # they have mark price and open interest
CLOSED = "Closed"  # such a market never streams (protocol section 6)

_DERIVATIVE_CHANNELS = ("markPrice", "openInterest")
_STOCK_CHANNELS = ("stockPrice", "stockIndicativeQuote")  # bare stock tickers, in no list
_ALL_MARKETS_CHANNEL = "liquidation"
_PRIVATE = tuple(channel for channel in STREAMS if channel not in PUBLIC)
_IN_TIME = "; the variables count only where such a topic is named at the start"
_NO_MARKET_CHANNEL = "account.balanceUpdate"
_RFQ_CHANNEL, _RFQ = "account.rfqUpdate", "_RFQ"  # such markets are in no list (section 6)
# What `*` stands for as a channel: one stream of each kind that needs nothing more than a market.
_EVERY_CHANNEL = tuple(
    channel
    for channel in PUBLIC
    if channel not in (*_STOCK_CHANNELS, "kline", "externalTicker", _ALL_MARKETS_CHANNEL)
)


class Market(msgspec.Struct, gc=False):
    """What is needed of a market object (protocol section 6); whatever else the venue changes in
    it must not keep anybody from recording."""

    symbol: Symbol
    marketType: str | None = None
    orderBookState: str | None = None


_decode = msgspec.json.Decoder(list[Market]).decode


class Catalogue:
    """The market list of the venue. keys: whether there are any, without which no topic is of an
    account."""

    def __init__(self, markets: Iterable[Market], keys: bool = False) -> None:
        self._markets = {market.symbol: market for market in markets}
        self._keys = keys

    @classmethod
    def read(cls, *bodies: bytes, keys: bool = False) -> "Catalogue":
        """From bodies of REST ``/markets``; raises VenueError."""
        try:
            markets = [market for body in bodies for market in _decode(body)]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise VenueError(
                f"the venue's market list cannot be read ({error}); is --rest-url right?"
            ) from None
        if not markets:
            raise VenueError("the venue lists no markets; is --rest-url right?")
        return cls(markets, keys)

    def resolve(self, wanted: Iterable[str]) -> tuple[str, ...]:
        """Topic names for names and patterns, in order, each once; raises TopicError."""
        names: dict[str, None] = {}
        for text in wanted:
            names.update(dict.fromkeys(self._resolve(text)))
        if not names:
            raise TopicError("no topics: name at least one, such as --topics depth.SOL_USDC")
        return tuple(names)

    def offers(self, text: str) -> list[str]:
        """Topic names for a name or pattern as the list is now; none where it cannot be, or its
        market is closed."""
        try:
            return self._resolve(text)
        except TopicError:
            return []

    def lists(self, symbol: str) -> bool:
        """Whether there is such a market, open or not."""
        return symbol in self._markets

    def _resolve(self, text: str) -> list[str]:
        topic = Topic.parse(text)
        if topic.private:
            return self._resolve_private(text, topic)
        channels, variants = self._channels(text, topic), _variants(text, topic)
        if any(mark in topic.symbol for mark in "*?["):
            return self._expand(text, topic, channels)
        found = [channel for channel in channels if self._exists(text, topic, channel)]
        return [str(Topic(channel, v, topic.symbol)) for channel in found for v in variants]

    def _resolve_private(self, text: str, topic: Topic) -> list[str]:
        """Never by a pattern of channels that would mean more than an account."""
        if not self._keys:
            raise TopicError(f"{text!r} is of an account and there are no keys: {HOW}{_IN_TIME}")
        if topic == (f"{ACCOUNT}.*", "", ""):
            return list(_PRIVATE)
        if topic.channel not in _PRIVATE:
            raise TopicError(f"no topic {text!r}: {_hint(topic.channel, _PRIVATE)}")
        if text == topic.channel:
            return [text]
        if topic.channel == _NO_MARKET_CHANNEL:
            raise TopicError(
                f"no topic {text!r}: {topic.channel} is about no market, so leave it off"
            )
        if topic.channel == _RFQ_CHANNEL and _is_rfq(topic.symbol):
            return [text]
        if any(mark in topic.symbol for mark in "*?["):
            return self._expand(text, topic, (topic.channel,))
        if not self.lists(topic.symbol):
            raise TopicError(f"no topic {text!r}: {self._hint(topic)}")
        return [text]  # of a closed market too, where orders may be that are cancelled yet

    def _channels(self, text: str, topic: Topic) -> tuple[str, ...]:
        if topic.channel == "*":
            return _EVERY_CHANNEL
        if topic.channel not in PUBLIC:
            raise TopicError(f"no topic {text!r}: {_hint(topic.channel, PUBLIC)}")
        return (topic.channel,)

    def _exists(self, text: str, topic: Topic, channel: str) -> bool:
        """Whether an exact topic is to be subscribed; False only for what ``*`` left out."""
        if channel in _STOCK_CHANNELS and topic.symbol:
            return True
        if channel == _ALL_MARKETS_CHANNEL and not topic.symbol:
            return True
        market = self._markets.get(topic.symbol)
        if market is None:
            raise TopicError(f"no topic {text!r}: {self._hint(topic)}")
        if market.orderBookState == CLOSED:
            raise TopicError(f"no topic {text!r}: the market {market.symbol} is closed")
        return topic.channel != "*" or _streams(market, channel)

    def _expand(self, text: str, topic: Topic, channels: tuple[str, ...]) -> list[str]:
        if topic.channel in _STOCK_CHANNELS:
            raise TopicError(f"{text!r}: stock tickers are in no list, so name each one")
        names = [
            str(Topic(channel, variant, market.symbol))
            for market in self._open_markets(topic.symbol)
            for channel in channels
            if _streams(market, channel)
            for variant in _variants(text, topic)
        ]
        if not names:
            none = f"it matches none of the {len(self._markets)} markets"
            raise TopicError(f"no topic {text!r}: {self._throttle_hint(topic) or none}")
        return names

    def _open_markets(self, pattern: str) -> Iterator[Market]:
        for symbol in sorted(self._markets):
            market = self._markets[symbol]
            if market.orderBookState != CLOSED and fnmatchcase(symbol, pattern):
                yield market

    def _hint(self, topic: Topic) -> str:
        if not topic.symbol:
            return f"it lacks a market, as in {topic._replace(symbol='SOL_USDC')}"
        return self._throttle_hint(topic) or _hint(topic.symbol, self._markets)

    def _throttle_hint(self, topic: Topic) -> str:
        """For depth of a market with something in between that is no throttle."""
        window, _, symbol = topic.symbol.partition(".")
        if topic.channel != "depth" or not any(fnmatchcase(name, symbol) for name in self._markets):
            return ""
        return f"no throttle {window!r}; there are {', '.join(WINDOWS)}"


def _is_rfq(symbol: str) -> bool:
    return symbol.endswith(_RFQ) and symbol != _RFQ and not any(mark in symbol for mark in "*?[")


def _streams(market: Market, channel: str) -> bool:
    return channel not in _DERIVATIVE_CHANNELS or market.marketType in DERIVATIVES


def _variants(text: str, topic: Topic) -> list[str]:
    """The throttle of depth as it is; all intervals that the name or pattern of a kline means."""
    if topic.channel != "kline":
        return [topic.variant]
    if not topic.variant:
        raise TopicError(f"no topic {text!r}: write it as kline.1m.SOL_USDC")
    found = [interval for interval in INTERVALS if fnmatchcase(interval, topic.variant)]
    if not found:
        raise TopicError(f"no topic {text!r}: the interval {_hint(topic.variant, INTERVALS)}")
    return found


def _hint(name: str, valid: Iterable[str]) -> str:
    """The nearest valid names, whatever the case; all of them where there are few."""
    names = sorted(valid)
    folded = {text.lower(): text for text in names}
    near = [folded[text] for text in get_close_matches(name.lower(), folded, n=3, cutoff=0.5)]
    if near:
        return f"{name!r} is unknown; nearest: {', '.join(near)}"
    return f"{name!r} is unknown; there are {', '.join(names[:16])}" + ", ..." * (len(names) > 16)
