"""The messages of a hand-over from one recorder process to another, in three steps: ``begin``,
``give``, ``done``. `recorder.handover` is the giving side, `recorder.take_over` the taking one."""

import msgspec

from schemas.errors import BackpackError
from schemas.frames import SilenceNoted
from schemas.requests import SnapshotRequest, TradesRequest

VERSION = 1  # of what is said in the three steps
COMMAND = "handover"
BEGUN_S = 60.0  # from `begin` to `give`
GIVEN_S = 5.0  # from `give` to `done`
NUMBERS = 64  # of connections, that are the other one's from `begin` on


class HandedOver(BackpackError):
    """Another process goes on with the recording: no failure."""


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to ``begin``.

    memory: see `schemas.digest.MEMORY`. segment: what comes from now on is in the journals from
    that one on. newest: number of a connection behind which `NUMBERS` are free.
    texts: names and patterns that are recorded; said: those asked for and off by hand.
    """

    version: int
    format: int
    memory: int
    pid: int
    session: str
    segment: int
    newest: int
    texts: tuple[str, ...]
    said: tuple[tuple[str, bool], ...]
    paused: bool
    ws_url: str
    rest_url: str


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to ``give``: where the recording ended, and what the engine remembers there.

    newest: of all connections; open: those that are. snapshots, trades: what was asked of
    REST and has not come. silences: topics that are silent, by the newest word on each.
    """

    segment: int
    seq: int
    keyframes: list[tuple[str, bytes]]
    newest: int
    open: list[int]
    snapshots: list[SnapshotRequest]
    trades: list[TradesRequest]
    silences: list[tuple[str, SilenceNoted]] = []
