"""The same simulated markets, recorded by one recorder or shared out among several."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from schemas.frames import Kind
from schemas.requests import MARKETS_PATH
from schemas.shard import Shard
from tests.simulate import Plan, simulate
from tests.tapes import Recording, Setting


class Heard(msgspec.Struct):
    """What says which topic a message is of."""

    stream: str


def record(root: Path, plan: Plan, of: int, rolls: int = 0, lost: int = 0) -> None:
    """All shards, each in its folder, in ``rolls`` + 1 segments. lost: the one that loses its
    connection in the midst of it."""
    for number in range(1, of + 1):
        _record_one(root, plan, Shard(number, of), rolls, number == lost)


def _record_one(root: Path, plan: Plan, shard: Shard, rolls: int, loses: bool) -> None:
    session = simulate(plan)
    began = datetime.fromtimestamp(plan.start_ns // 10**9, UTC)
    setting = Setting(f"{began:%Y%m%dT%H%M%SZ}-{shard.number}{shard.of}")
    recording = Recording(root / shard.folder, setting)
    recording.wall = plan.start_ns
    topics = sorted(filter(shard.takes, session.topics))
    recording.begin(topics)
    recording.connect()
    recording.take(Kind.REQUEST, b"", topic=MARKETS_PATH)
    recording.take(Kind.REPLY, session.markets.encode(), topic=MARKETS_PATH)
    for symbol, body in session.snapshots.items():
        if shard.takes(f"depth.{symbol}"):
            recording.snapshot(symbol, body)
    size = len(session.frames) // (rolls + 1) + 1
    for index, frame in enumerate(session.frames):
        recording.pass_(max(frame.ts_ns - recording.wall, 0))
        if index and index % size == 0:
            recording.roll()
        if loses and index == len(session.frames) // 2:
            recording.disconnect()
            recording.connect()
        if shard.takes(msgspec.json.decode(frame.text, type=Heard).stream):
            recording.data(frame.text)
    recording.hang_up()
    recording.stop()
