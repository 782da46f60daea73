"""What a venue sends, known for every number without sending it: the truth of these tests."""

from __future__ import annotations

import json
from functools import cache
from hashlib import blake2b
from typing import NamedTuple

from schemas.frames import ConnectionOpened, Kind, to_json
from schemas.requests import SnapshotRequest

SYMBOLS = ("SOL_USDC",)
TOPICS = tuple(f"{channel}.{symbol}" for symbol in SYMBOLS for channel in ("depth", "trade"))
_START_US = 1_795_330_800_000_000  # 2026-11-22T07:00:00Z, of the venue's clock
_FIRST_ID = 1_000


class Arrival(NamedTuple):
    """One thing that arrives or is noted, without number and stamp."""

    kind: Kind
    payload: bytes
    topic: str = ""
    conn: int = 0


@cache
def arrival(session: str, number: int) -> Arrival:
    """The ``number``-th, from 0, of a session: books join first, then deltas and trades come."""
    if number < len(_JOINING):
        return _JOINING[number]
    return Arrival(Kind.DATA, _message(session, number - len(_JOINING)), conn=1)


def _message(session: str, index: int) -> bytes:
    turn, which = divmod(index, 2 * len(SYMBOLS))
    symbol, chance = SYMBOLS[which % len(SYMBOLS)], _chance(session, index)
    time_us = _START_US + index
    if which < len(SYMBOLS):
        return _depth(symbol, _FIRST_ID + turn, time_us, chance)
    return _trade(symbol, _FIRST_ID + turn, time_us, chance)


def _depth(symbol: str, number: int, time_us: int, chance: bytes) -> bytes:
    bids = [[f"{90 + byte % 10}.{byte:03d}", f"{byte % 7}.5"] for byte in chance[:3]]
    asks = [[f"{100 + byte % 10}.{byte:03d}", f"{byte % 5}.25"] for byte in chance[3:6]]
    return _envelope(
        f"depth.{symbol}", e="depth", E=time_us, T=time_us, s=symbol, U=number, u=number, b=bids,
        a=asks,
    )  # fmt: skip


def _trade(symbol: str, number: int, time_us: int, chance: bytes) -> bytes:
    return _envelope(
        f"trade.{symbol}", e="trade", E=time_us, T=time_us, s=symbol, t=number,
        p=f"99.{chance[0]:03d}", q=f"{chance[1]}.5", a=f"{number}1", b=f"{number}2",
        m=bool(chance[2] & 1),
    )  # fmt: skip


def _envelope(stream: str, **data: object) -> bytes:
    return json.dumps({"stream": stream, "data": data}).encode()


def _chance(session: str, index: int) -> bytes:
    return blake2b(f"{session} {index}".encode(), digest_size=6).digest()


def _joining() -> tuple[Arrival, ...]:
    """A connection opens, subscribes, and the books are asked for."""
    command = {"method": "SUBSCRIBE", "params": TOPICS}
    found = [
        Arrival(Kind.OPEN, to_json(ConnectionOpened("wss://ws.backpack.exchange")), conn=1),
        Arrival(Kind.SENT, json.dumps(command).encode(), conn=1),
    ]
    for symbol in SYMBOLS:
        path = SnapshotRequest(symbol, 0).path
        found += [Arrival(Kind.REQUEST, b"", path), Arrival(Kind.REPLY, _snapshot(), path)]
    return tuple(found)


def _snapshot() -> bytes:
    bids = [[f"{price}.5", "3"] for price in range(80, 100)]
    asks = [[f"{price}.5", "4"] for price in range(100, 120)]
    body = {"bids": bids, "asks": asks, "lastUpdateId": str(_FIRST_ID - 1)}
    return json.dumps({**body, "timestamp": _START_US}).encode()


_JOINING = _joining()
