"""Topic names of the streams (protocol sections 2 and 4).

``<channel>.<symbol>``, where depth may have a throttle and klines have an interval in between:
``depth.200ms.SOL_USDC``, ``kline.1m.AAPL.US_USDC_PERP``. Channels of an account have two parts:
``account.orderUpdate``, ``account.orderUpdate.SOL_USDC``. Symbols hold dots, lower case and leading
digits, so a name is never split at every dot.
"""

from typing import NamedTuple

WINDOWS = ("200ms", "600ms", "1000ms")
ACCOUNT = "account"  # what the channels that only the owner of an account may hear begin with
INTERVALS = (
    *("1s", "1m", "3m", "5m", "15m", "30m"),
    *("1h", "2h", "4h", "6h", "8h", "12h"),
    *("1d", "3d", "1w", "1month"),
)


class Topic(NamedTuple):
    """A topic taken apart. Any text parses; whether it can exist is asked elsewhere.

    channel: ``depth``, ``trade``, ``account.orderUpdate``..
    variant: throttle of depth or interval of kline; empty otherwise.
    symbol: the rest, dots included; empty for a topic over all markets.
    """

    channel: str
    variant: str
    symbol: str

    @classmethod
    def parse(cls, text: str) -> "Topic":
        """Take a topic or stream name apart.

        >>> Topic.parse("kline.1m.AAPL.US_USDC_PERP")
        Topic(channel='kline', variant='1m', symbol='AAPL.US_USDC_PERP')
        """
        channel, _, rest = text.partition(".")
        head, _, tail = rest.partition(".")
        if channel == ACCOUNT and head:
            return cls(f"{channel}.{head}", "", tail)
        if channel == "kline" or (channel == "depth" and head in WINDOWS):
            return cls(channel, head, tail)
        return cls(channel, "", rest)

    @property
    def private(self) -> bool:
        """Whether it is of an account, known to us or not."""
        return is_private(self.channel)

    def __str__(self) -> str:
        return ".".join(part for part in self if part)


def is_private(name: str) -> bool:
    """Whether a topic, or a pattern of topics, is of an account.

    >>> is_private("account.*"), is_private("accounts.SOL_USDC")
    (True, False)
    """
    return name.partition(".")[0] == ACCOUNT


def depth_topic(symbol: str, window: str = "") -> str:
    """Name of a depth stream."""
    return str(Topic("depth", window, symbol))
