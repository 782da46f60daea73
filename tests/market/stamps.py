"""Frames as a door would stamp them, with clocks that the test holds."""

import json
from typing import Any

from schemas.frames import Frame, Kind

START_NS = 1_790_000_000_000_000_000
MONO_NS = 5_000_000_000_000  # a machine that has been up for a while
STEP_NS = 1_000_000


class Stamper:
    """Makes frames: ``seq`` 1, 2, 3.., and both clocks one step on for each."""

    def __init__(self, step_ns: int = STEP_NS) -> None:
        self._step_ns = step_ns
        self.seq = 0

    def frame(self, kind: Kind, payload: bytes = b"", *, conn: int = 0, topic: str = "") -> Frame:
        """The next frame."""
        self.seq += 1
        passed = self.seq * self._step_ns
        ts_recv, ts_mono = START_NS + passed, MONO_NS + passed
        return Frame(self.seq, ts_recv, ts_mono, conn, kind, topic, payload)

    def data(self, payload: bytes | str, conn: int = 1) -> Frame:
        """A websocket message of the venue."""
        raw = payload.encode() if isinstance(payload, str) else payload
        return self.frame(Kind.DATA, raw, conn=conn)


def event(stream: str, **members: Any) -> str:
    """The text of an event, in the envelope of protocol section 1."""
    return json.dumps({"data": members, "stream": stream}, separators=(",", ":"))


def depth_path(symbol: str) -> str:
    """REST path and query of a snapshot (protocol section 3.2), for symbols of plain characters."""
    return f"/api/v1/depth?symbol={symbol}"


def trades_path(symbol: str, limit: int, offset: int = 0) -> str:
    """The same of a page of trades (protocol section 6)."""
    where = f"/history?symbol={symbol}&limit={limit}&offset={offset}"
    return f"/api/v1/trades{where if offset else f'?symbol={symbol}&limit={limit}'}"


def subscribe(*topics: str) -> bytes:
    """What we send to subscribe (protocol section 1)."""
    return json.dumps({"method": "SUBSCRIBE", "params": topics}).encode()


def unsubscribe(*topics: str) -> bytes:
    """And to end that."""
    return json.dumps({"method": "UNSUBSCRIBE", "params": topics}).encode()
