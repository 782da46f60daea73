"""Candles that were not recorded, made from the trades (protocol section 2.3)."""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches

import msgspec

from market.control import UNREADABLE
from market.gaps import BACKWARDS_NS
from schemas import rows, wire
from schemas.errors import UsageError
from schemas.numbers import pretty_price, pretty_qty, price, qty
from schemas.topics import INTERVALS, Topic

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_S = 1_000_000_000
_DAY = 86_400 * _S
_UNITS = {"s": _S, "m": 60 * _S, "h": 3_600 * _S, "d": _DAY, "w": 7 * _DAY}
MONTH = "1month"
_LENGTHS = {name: int(name[:-1]) * _UNITS[name[-1]] for name in INTERVALS if name != MONTH}  # in ns
_MONDAY = 4 * _DAY  # the first one after the epoch, which was a Thursday

# The venue's timer: what was seen came this long after a full second, the final frame so after the
# end of the interval.
_BEAT = _S
_OFFBEAT = _S // 2
_BEHIND = 60 * _S


class _Heard(msgspec.Struct, gc=False):
    data: wire.Trade
    stream: str


_decode = wire.decoder(_Heard).decode
_encode = msgspec.json.Encoder().encode


def bounds(interval: str, ts: int) -> tuple[int, int]:
    """Start and end (exclusive) of the candle in which a time lies, all in ns since the epoch.

    Days begin at 0:00 UTC, weeks on Monday, months on their first; the others, ``3d`` as well, lie
    at multiples of their length since the epoch. Raises UsageError for what is no interval.

    >>> bounds("1m", 1_788_367_390_000_000_000)
    (1788367380000000000, 1788367440000000000)
    """
    if interval == MONTH:
        return _month(ts)
    whole = length(interval)
    since = _MONDAY if interval == "1w" else 0
    start = (ts - since) // whole * whole + since
    return start, start + whole


def length(interval: str) -> int:
    """How long candles are in ns; raises UsageError for what is no interval, and for months."""
    known = _LENGTHS.get(interval)
    if known is None:
        near = get_close_matches(interval, INTERVALS, 3, cutoff=0.3) or INTERVALS
        raise UsageError(f"there are no candles of {interval!r}; nearest: {', '.join(near)}")
    return known


def _month(ts: int) -> tuple[int, int]:
    first = datetime.fromtimestamp(ts // _S, UTC).replace(day=1, hour=0, minute=0, second=0)
    year, month = divmod(first.year * 12 + first.month, 12)  # of the next one, January being 0
    following = first.replace(year=year, month=month + 1)
    return (first - _EPOCH) // _SECOND * _S, (following - _EPOCH) // _SECOND * _S


def naive_iso(ts: int) -> str:
    """A time in ns as klines have it: UTC without a zone, to the second."""
    return datetime.fromtimestamp(ts // _S, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class Candle:
    """Prices in 1e-9, volume in 1e-6, number of trades; see `add`.

    push: tape time at which what changed is to be sent; None: nothing changed since it was.
    """

    __slots__ = ("_first", "_last", "_prices", "push", "trades", "volume")

    def __init__(self) -> None:
        self._prices: list[int] = []  # open, high, low, close
        self._first = self._last = (0, 0)
        self.volume = 0
        self.trades = 0
        self.push: int | None = None

    def add(self, trade: rows.Trade) -> None:
        """Take a trade in. Open and close go by engine time and id, as one may have come late."""
        place = (trade.ts_engine, trade.trade_id)
        if not self._prices:
            self._prices = [trade.price] * 4
            self._first = self._last = place
        opened, high, low, closed = self._prices
        if place < self._first:
            self._first, opened = place, trade.price
        if place > self._last:
            self._last, closed = place, trade.price
        self._prices = [opened, max(high, trade.price), min(low, trade.price), closed]
        self.volume += trade.qty
        self.trades += 1

    def texts(self) -> dict[str, str | None]:
        """The members ``o h l c v`` without superfluous zeros; null without trades."""
        if not self._prices:
            return dict.fromkeys("ohlcv")
        prices = map(pretty_price, self._prices)
        return {**dict(zip("ohlc", prices, strict=True)), "v": pretty_qty(self.volume)}


class SeenIds:
    """Which trades have come, so that a repeat is not counted twice: stretches of ids."""

    __slots__ = ("_firsts", "_lasts", "_newest")

    def __init__(self) -> None:
        self._firsts: list[int] = []  # of stretches in ascending order, which do not touch
        self._lasts: list[int] = []
        self._newest = 0  # engine time

    def __len__(self) -> int:
        """How many stretches."""
        return len(self._firsts)

    def add(self, trade: rows.Trade) -> bool:
        """Whether it is new. An old id with a time much newer begins a new numbering."""
        newest = self._newest
        self._newest = max(newest, trade.ts_engine)
        at = bisect_right(self._firsts, trade.trade_id)  # after the stretch that may hold it
        if at and trade.trade_id <= self._lasts[at - 1]:
            if trade.ts_engine <= newest + BACKWARDS_NS:
                return False
            self._firsts.clear()
            self._lasts.clear()
            at = 0
        self._insert(at, trade.trade_id)
        return True

    def _insert(self, at: int, new: int) -> None:
        """Put an id between two stretches, and join with those that it touches."""
        firsts, lasts = self._firsts, self._lasts
        firsts.insert(at, new)
        lasts.insert(at, new)
        for left in (at, at - 1):
            if 0 <= left < len(firsts) - 1 and lasts[left] + 1 == firsts[left + 1]:
                del lasts[left], firsts[left + 1]


class Klines:
    """The candles of one market and interval, as they change and as they close.

    The timer beats half a second after each full second of tape time: then the candle that changed
    is sent, and the final frame of one that ended at that full second, with nulls if it had no
    trade. So it does not matter when one begins to listen, nor how promptly `make` is called. A
    trade belongs to the candle of its engine time (``T``); one whose candle is closed, that was
    counted already, or that cannot be read, is ignored.

    The candles of a time in which nothing was recorded are closed without trades too: where one
    session ends and another begins, make a new one.
    """

    def __init__(self, topic: str, source: str, past: Iterable[rows.Trade], at: int) -> None:
        """past: trades from `since` on, oldest first; at: tape time now."""
        self.topic = topic
        self.source = source
        self._parsed = Topic.parse(topic)
        self._ready: deque[tuple[int, bytes]] = deque()  # frames that are complete, and when due
        self._seen = SeenIds()
        self._open: dict[int, Candle] = {}
        self._closing = bounds(self._parsed.variant, at - _OFFBEAT)  # the oldest that is open
        for trade in past:
            self._count(trade, min(trade.ts_recv, at))
        for candle in self._open.values():
            if candle.push is not None and candle.push <= at:
                candle.push = None
        self._next = self._next_beat()

    @staticmethod
    def since(interval: str, at: int) -> int:
        """From when on trades have to be known at a tape time, both in ns: a bit before the oldest
        candle that is open, as the recorder's clock may have been behind that of the exchange."""
        return bounds(interval, at - _OFFBEAT)[0] - _BEHIND

    @property
    def due(self) -> int:
        """Tape time of the next frame: there is always a candle that will close."""
        return self._ready[0][0] if self._ready else self._next

    def take(self, payload: bytes, at: int) -> None:
        """A frame of the source passes."""
        while self._next <= at:
            self._beat()
        trade = self._read(payload, at)
        if trade is not None:
            self._count(trade, at)
            self._next = self._next_beat()

    def make(self) -> bytes:
        """The frame that is due."""
        if not self._ready:
            self._beat()
        return self._ready.popleft()[1]

    def _read(self, payload: bytes, at: int) -> rows.Trade | None:
        try:
            heard = _decode(payload)
            if heard.stream != self.source:
                return None
            message: wire.Trade = heard.data
            side = "sell" if message.m else "buy"
            return rows.Trade(
                0, at, message.E * 1_000, self._parsed.symbol, message.T * 1_000,
                message.t, price(message.p), qty(message.q), side, message.b, message.a,
            )  # fmt: skip
        except UNREADABLE:
            return None

    def _count(self, trade: rows.Trade, at: int) -> None:
        """Put a trade that passes at a tape time into its candle."""
        start, _ = bounds(self._parsed.variant, trade.ts_engine)
        if start >= self._closing[0] and self._seen.add(trade):
            candle = self._open.setdefault(start, Candle())
            candle.add(trade)
            candle.push = at + _BEAT - (at - _OFFBEAT) % _BEAT  # the next beat

    def _next_beat(self) -> int:
        pushes = (candle.push for candle in self._open.values() if candle.push is not None)
        return min((self._closing[1] + _OFFBEAT, *pushes))

    def _beat(self) -> None:
        """Make one frame of those that the next beat brings: a candle that closes comes first."""
        at, (start, end) = self._next, self._closing
        if at == end + _OFFBEAT:
            self._closing = bounds(self._parsed.variant, end)
            text = self._text(start, self._open.pop(start, Candle()), at)
        else:
            start = min(start for start, candle in self._open.items() if candle.push == at)
            self._open[start].push = None
            text = self._text(start, self._open[start], at)
        self._ready.append((at, text))
        self._next = self._next_beat()

    def _text(self, start: int, candle: Candle, at: int) -> bytes:
        """In the order in which the venue writes it."""
        end, made = bounds(self._parsed.variant, start)[1], candle.texts()
        data = {
            "E": at // 1_000, "e": "kline", "s": self._parsed.symbol, "T": naive_iso(end),
            "X": at >= end + _OFFBEAT, "c": made["c"], "h": made["h"], "l": made["l"],
            "n": candle.trades, "o": made["o"], "t": naive_iso(start), "v": made["v"],
        }  # fmt: skip
        return _encode({"data": data, "stream": self.topic})
