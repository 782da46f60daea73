"""What the tape has to say of each fault, in the words of its rows."""

from __future__ import annotations

import json
from typing import NamedTuple

from schemas.frames import Kind
from schemas.rows import Gap, Reject
from tests.faults.scene import Evidence

SOL, BTC, SLOW = "depth.SOL_USDC", "depth.BTC_USDC_PERP", "depth.200ms.SOL_USDC"
TRADE = "trade.SOL_USDC"


class Tells(NamedTuple):
    """Of a scene with one fault.

    gaps: topic, first cause and state at the end of each gap, sorted; those of connections apart,
        which follow from ``closes``.
    rejects: reasons. failed: status of each request that failed; 0: no reply.
    closes: codes with which connections ended, before the recorder said goodbye.
    """

    gaps: tuple[str, ...] = ()
    rejects: tuple[str, ...] = ()
    failed: tuple[int, ...] = ()
    closes: tuple[int, ...] = ()


def told(evidence: Evidence) -> Tells:
    """What a scene's tape says."""
    rows, run = evidence.run.rows, evidence.run
    gaps: dict[tuple[str, int], tuple[str, str]] = {}
    for row in rows:
        if isinstance(row, Gap) and row.topic is not None:
            cause, _ = gaps.get((row.topic, row.since_seq), (row.cause, ""))
            gaps[row.topic, row.since_seq] = cause, row.state
    return Tells(
        tuple(sorted(f"{topic} {cause} {end}" for (topic, _), (cause, end) in gaps.items())),
        tuple(row.reason for row in rows if isinstance(row, Reject)),
        tuple(json.loads(frame.payload)["status"] for frame in run.kinds(Kind.FAILED)),
        tuple(json.loads(frame.payload)["code"] for frame in run.kinds(Kind.CLOSE)[:-1]),
    )


LOST = (f"{SOL} depth_ids resynced",)
OUTAGE = tuple(f"{topic} disconnect resynced" for topic in (SLOW, BTC, SOL))
TELLS: dict[str, Tells] = {
    "nothing": Tells(),
    "quiet": Tells(),
    "dropped": Tells(LOST),
    "dropped in a row": Tells(LOST),
    "dropped apart": Tells(LOST),
    "dropped, throttled": Tells((f"{SLOW} depth_ids resynced",)),
    "dropped trade": Tells((f"{TRADE} trade_ids open",)),
    "dropped trades": Tells((f"{TRADE} trade_ids open", f"{TRADE} trade_ids open")),
    "dropped touch": Tells(),
    "duplicated": Tells(),
    "duplicated, throttled": Tells(),
    "duplicated trade": Tells(),
    "repeated": Tells(),
    "reordered": Tells(LOST),
    "reordered trades": Tells((f"{TRADE} trade_ids healed",)),
    "delayed": Tells(LOST),
    "delayed, throttled": Tells((f"{SLOW} depth_ids resynced",)),
    "delayed trade": Tells((f"{TRADE} trade_ids healed",)),
    "dropped while resyncing": Tells((f"{SOL} depth_ids resynced", f"{SOL} depth_ids resynced")),
    "held over a resync": Tells(LOST),
    "truncated": Tells(LOST, rejects=("not_json",)),
    "truncated trade": Tells((f"{TRADE} trade_ids open",), rejects=("not_json",)),
    "not UTF-8": Tells(LOST, rejects=("not_json",)),
    "inexact": Tells((f"{SOL} unreadable resynced",), rejects=("inexact",)),
    "another market": Tells((f"{SOL} unreadable resynced",), rejects=("bad_field",)),
    "ids from high to low": Tells((f"{SOL} unreadable resynced",), rejects=("inexact",)),
    "no ids": Tells((f"{SOL} unreadable resynced",), rejects=("bad_field",)),
    "trade without id": Tells((f"{TRADE} trade_ids open",), rejects=("bad_field",)),
    "nested too deep": Tells(LOST, rejects=("not_json",)),
    "garbage text": Tells(rejects=("not_json",)),
    "garbage bytes": Tells(rejects=("not_json",)),
    "garbage binary": Tells(rejects=("binary",)),
    "empty messages": Tells(rejects=("not_json", "binary")),
    "error reply": Tells(),
    "unknown stream": Tells(),
    "ids backwards": Tells(
        (
            f"{SLOW} ids_backwards resynced",
            f"{BTC} ids_backwards resynced",
            f"{SOL} ids_backwards resynced",
        )
    ),
    "ids far ahead": Tells(
        (f"{SLOW} depth_ids resynced", f"{BTC} depth_ids resynced", f"{SOL} depth_ids resynced")
    ),
    "delisted": Tells(),
    "close 1000": Tells(OUTAGE, closes=(1000,)),
    "close 1001": Tells(OUTAGE, closes=(1001,)),
    "close 1002": Tells(OUTAGE, closes=(1002,)),
    "close 1003": Tells(OUTAGE, closes=(1003,)),
    "close 1007": Tells(OUTAGE, closes=(1007,)),
    "close 1008": Tells(OUTAGE, closes=(1008,)),
    "close 1009": Tells(OUTAGE, closes=(1009,)),
    "close 1011": Tells(OUTAGE, closes=(1011,)),
    "close 1012": Tells(OUTAGE, closes=(1012,)),
    "close 1013": Tells(OUTAGE, closes=(1013,)),
    "close 3000": Tells(OUTAGE, closes=(3000,)),
    "close 4000": Tells(OUTAGE, closes=(4000,)),
    "cut": Tells(OUTAGE, closes=(1006,)),
    "cut at no cost": Tells(closes=(1006,)),
    "half-open": Tells(OUTAGE, closes=(1011,)),
    "pings not answered": Tells(
        (f"{BTC} disconnect resynced", f"{SOL} disconnect resynced"), closes=(1011,)
    ),
    "oversized": Tells(OUTAGE, closes=(1009,)),
    "oversized, compressed": Tells(OUTAGE, closes=(1009,)),
    "slow handshake": Tells(OUTAGE, closes=(1006,)),
    "handshake too slow": Tells(OUTAGE, closes=(1006,)),
    "handshake refused": Tells(OUTAGE, closes=(1006,)),
    "handshake not found": Tells(OUTAGE, closes=(1001,)),
    "handshake cut": Tells(OUTAGE, closes=(1006,)),
    "cut while connecting": Tells(OUTAGE, closes=(1006, 1006)),
    "cut while subscribing": Tells(OUTAGE, closes=(1006, 1006)),
    "closed while subscribing": Tells(OUTAGE, closes=(1006, 1012)),
    "cut before the snapshot": Tells(
        (f"{BTC} disconnect resynced", f"{SOL} disconnect resynced"), closes=(1006, 1006)
    ),
    "cut again and again": Tells(
        (
            f"{SLOW} disconnect resynced",
            f"{SLOW} disconnect resynced",
            f"{BTC} disconnect resynced",
            f"{SOL} disconnect resynced",
        ),
        closes=(1006, 1006, 1012),
    ),
    "restarted on lower ids": Tells(
        (
            f"{SLOW} ids_backwards resynced",
            f"{BTC} ids_backwards resynced",
            f"{SOL} ids_backwards resynced",
        ),
        closes=(1012,),
    ),
    "restarted on higher ids": Tells(OUTAGE, closes=(1012,)),
    "delisted and cut": Tells((f"{BTC} disconnect resynced",), failed=(404,), closes=(1006,)),
    "429": Tells(LOST, failed=(429, 429)),
    "429 with Retry-After": Tells(LOST, failed=(429,)),
    "500": Tells(LOST, failed=(500, 500, 500)),
    "503": Tells(LOST, failed=(503,)),
    "404": Tells(LOST, failed=(404,)),
    "timeout": Tells(LOST, failed=(0,)),
    "connection dropped": Tells(LOST, failed=(0, 0)),
    "garbage reply": Tells(LOST, rejects=("bad_reply", "bad_reply")),
    "reply of another shape": Tells(LOST, rejects=("bad_reply", "bad_reply")),
    "reply cut short": Tells(LOST, failed=(0,)),
    "truncated reply": Tells(LOST, rejects=("bad_reply",)),
    "stale reply": Tells(LOST),
    "slow reply": Tells(LOST),
    "snapshot ahead": Tells(LOST),
    "ahead at the start": Tells((f"{BTC} disconnect resynced",), closes=(1006,)),
    "snapshot behind": Tells((f"{BTC} disconnect resynced",), closes=(1006,)),
    "cut during a snapshot": Tells(
        (f"{BTC} disconnect resynced", f"{SOL} depth_ids resynced"), closes=(1006,)
    ),
    "closed during a snapshot": Tells(
        (f"{BTC} disconnect resynced", f"{SOL} depth_ids resynced"), closes=(1001,)
    ),
    "closed during a snapshot, then silence": Tells(
        (f"{BTC} disconnect resynced", f"{SOL} depth_ids resynced", f"{SOL} disconnect resynced"),
        closes=(1001,),
    ),
    "unreadable during a snapshot, then silence": Tells(
        (f"{SOL} unreadable resynced",), rejects=("inexact",)
    ),
    "lost twice during a snapshot": Tells(LOST),
    "unreadable during a snapshot": Tells(LOST, rejects=("not_json",)),
    "renumbered during a snapshot": Tells(
        (
            f"{SLOW} ids_backwards resynced",
            f"{BTC} ids_backwards resynced",
            f"{SOL} depth_ids resynced",
            f"{SOL} ids_backwards resynced",
        )
    ),
}
