"""A recording in which everything happens: gaps, rejects, a lost connection, rolls."""

from __future__ import annotations

from pathlib import Path

from tests.simulate import Plan, Session, simulate
from tests.tapes import Recording, Setting

PLAN = Plan(seed=11, seconds=9)
CONTROL = (
    '{"id":null,"error":{"code":4006,"message":"Invalid stream"}}',
    '{"stream":"wonder.SOL_USDC","data":{"e":"wonder"}}',
    "this is no JSON",
    b'{"stream":"depth.SOL_USDC","data":"\xff"}',
)


def eventful(root: Path, every: int) -> Recording:
    """Nine simulated seconds in four segments, of which much never came."""
    session = simulate(PLAN)
    recording = Recording(root, Setting(every=every))
    recording.wall = PLAN.start_ns
    recording.begin(sorted(session.topics))
    recording.connect()
    _snapshots(recording, session, 0)
    quarter = len(session.frames) // 4
    dark = range(quarter + 50, quarter + 110)  # nobody is connected
    for index, frame in enumerate(session.frames):
        recording.pass_(max(frame.ts_ns - recording.wall, 0))
        if index and index % quarter == 0:
            recording.roll()
        if index == dark.start:
            recording.disconnect()
        elif index == dark.stop:
            recording.connect()
        if index not in dark and not _missed(index, frame.text):
            recording.data(_spoilt(index, frame.text))
        if index not in dark and index % 97 == 96:
            _snapshots(recording, session, index)
    recording.stop()
    return recording


def _missed(index: int, text: str) -> bool:
    return index % (3 if '"e":"trade"' in text else 89) == 2


def _spoilt(index: int, text: str) -> str | bytes:
    """Now and then something else comes."""
    if index % 211 == 210:
        return CONTROL[index // 211 % len(CONTROL)]
    return text.replace('"E":', '"Q":') if index % 307 == 306 else text


def _snapshots(recording: Recording, session: Session, index: int) -> None:
    for symbol in session.snapshots:
        recording.snapshot(symbol, session.snapshot_at(symbol, index))
