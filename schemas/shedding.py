"""What is shed when a recorder does not keep up, and in which order.

Rows go before raw frames, of which rows can be made later; and what the venue says again soon
(tickers, candles, throttled books, quotes) before what builds on itself (depth, trades).
"""

from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from schemas.topics import Topic

LOAD = "load"  # cause of ids that are missing because of it
LOAD_ROWS = "load_rows"  # cause of frames that are on the tape and made no rows
LOAD_FRAMES = "load_frames"  # cause of frames that are not on the tape

STREAM_LIMIT = 20_000  # streams counted apart, see `family`
_LONGEST = 128  # bytes of a stream's name
_KEY, _HEAD, _MORE = b',"stream":"', b'{"stream":"', b'","data":'
_SKIP, _REACH = len(_KEY), len(_KEY) + _LONGEST + 2
_KNOWN = 32_768  # names remembered


class Level(IntEnum):
    """How much is shed: each sheds what those before it do, and more."""

    ALL = 0  # nothing is
    NO_TICKER_ROWS = 1  # no rows of streams of the rank TICKER
    NO_QUOTE_ROWS = 2  # nor of QUOTE
    NO_ROWS = 3  # nor of MARKET
    NO_TICKERS = 4  # nor are their frames taken: of TICKER
    NO_QUOTES = 5  # of QUOTE
    NOTHING = 6  # of MARKET


class Rank(IntEnum):
    """What a stream is worth, as the lowest level that costs its rows. KEPT: none does."""

    TICKER = 1
    QUOTE = 2
    MARKET = 3
    KEPT = 100


class Stream(NamedTuple):
    """The stream of a message."""

    name: str
    rank: Rank


_RANKS = {
    **dict.fromkeys(("ticker", "externalTicker", "markPrice", "kline"), Rank.TICKER),
    **dict.fromkeys(("openInterest", "stockPrice", "stockIndicativeQuote"), Rank.TICKER),
    "bookTicker": Rank.QUOTE,
    **dict.fromkeys(("depth", "trade", "liquidation"), Rank.MARKET),
}


def sheds_rows(level: int, rank: Rank) -> bool:
    """Whether no rows are made of a stream of this rank."""
    return rank <= level


def sheds_frames(level: int, rank: Rank) -> bool:
    """Whether the frames of a stream of this rank are not taken."""
    return rank + Level.NO_ROWS <= level


def stream_of(payload: bytes) -> Stream | None:
    """The stream of a message, without decoding it; None where that cannot be told for certain.

    What is told is what a decoder would say, for any text that is JSON: the member is the last of
    the whole, or its first and no other can be it.

    >>> stream_of(b'{"data":{"stream":"depth.A"},"stream":"ticker.SOL_USDC"}')
    Stream(name='ticker.SOL_USDC', rank=<Rank.TICKER: 1>)
    """
    if payload.endswith(b'"}'):
        at = payload.rfind(_KEY, -_REACH)
        return None if at < 0 else _stream(payload[at + _SKIP : -2])
    return _first(payload) if payload.startswith(_HEAD) else None


def rank_of(name: str) -> Rank:
    """Of a stream by its name. What is of an account, or unknown, is kept.

    >>> rank_of("depth.SOL_USDC"), rank_of("depth.200ms.SOL_USDC")
    (<Rank.MARKET: 3>, <Rank.TICKER: 1>)
    """
    topic = Topic.parse(name)
    if topic.channel == "depth" and topic.variant:
        return Rank.TICKER
    return _RANKS.get(topic.channel, Rank.KEPT)


def family(name: str) -> str:
    """What a stream is counted as where there are too many of them.

    >>> family("depth.200ms.SOL_USDC"), family("kline.1m.SOL_USDC")
    ('depth.200ms', 'kline')
    """
    topic = Topic.parse(name)
    return str(Topic(topic.channel, topic.variant if topic.channel == "depth" else "", ""))


def _first(payload: bytes) -> Stream | None:
    """The stream, if it is the first member and there is no other of that name."""
    start = len(_HEAD)
    end = payload.find(b'"', start, start + _LONGEST + 1)
    if end < 0 or not payload.startswith(_MORE, end):
        return None
    is_sure = payload.find(b'"stream"', end) < 0 and b"\\" not in payload
    return _stream(payload[start:end]) if is_sure else None


@lru_cache(maxsize=_KNOWN)
def _stream(name: bytes) -> Stream | None:
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return None
    if '"' in text or "\\" in text:  # more than the name, or not as it is meant
        return None
    return Stream(text, rank_of(text))
