"""A small market for scripts: its first book, and frames of SOL_USDC in the venue's spelling."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal

SOL = "depth.SOL_USDC"
TRADES = "trade.SOL_USDC"
FIRST_ID = 10  # of the book in SNAPSHOTS
SNAPSHOT = (
    '{"asks":[["100.7","1"],["101","2"]],"bids":[["100.5","3"],["100.6","4"]],'
    '"lastUpdateId":"10","timestamp":1700000000000000}'
)
SNAPSHOTS = {"SOL_USDC": SNAPSHOT}

_START_US = 1_700_000_000_000_000  # engine time of the snapshot
_STEP_US = 1_000  # engine time between two ids

Levels = Sequence[tuple[str, str]]
Sides = tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]  # bids, asks


def envelope(stream: str, data: dict[str, object]) -> str:
    """One frame as the venue spells it: `data` first, no spaces."""
    return json.dumps({"data": data, "stream": stream}, separators=(",", ":"))


def depth(update_id: int, bids: Levels = (), asks: Levels = (), symbol: str = "SOL_USDC") -> str:
    """A realtime depth frame of one id; without levels an empty one, which still uses its id."""
    time = _START_US + update_id * _STEP_US
    data = {"E": time + 90, "T": time, "U": update_id, "a": asks, "b": bids, "e": "depth"}
    return envelope(f"depth.{symbol}", {**data, "s": symbol, "u": update_id})


def bid(update_id: int) -> str:
    """A depth frame that rests a bid of its own: no two ids touch the same level."""
    return depth(update_id, bids=[(f"{90 + update_id % 1000 / 100:.2f}", f"{update_id}.00")])


def bids(first: int, count: int) -> list[str]:
    """So many of them, ids going up by one."""
    return [bid(number) for number in range(first, first + count)]


def trade(trade_id: int, symbol: str = "SOL_USDC") -> str:
    """A trade."""
    time = _START_US + trade_id * _STEP_US
    data = {"E": time + 90, "T": time, "a": "7", "b": "8", "e": "trade", "m": False}
    return envelope(
        f"trade.{symbol}", {**data, "p": "100.60", "q": "0.50", "s": symbol, "t": trade_id}
    )
