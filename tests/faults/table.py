"""Every fault there is, by name. A test walks each of these tables; combinations draw from all."""

from __future__ import annotations

from collections.abc import Mapping

from recorder.connection import LARGEST_MESSAGE
from tests.faults.moves import (
    Again,
    Asked,
    Back,
    Cutoff,
    Deaf,
    Delist,
    Door,
    Drop,
    Freeze,
    Hangup,
    Hold,
    Knock,
    Late,
    Mangle,
    Move,
    Noise,
    Outage,
    Oversized,
    Pass,
    Pause,
    Release,
    Renumber,
    Rest,
    Twice,
    Until,
)
from tests.venue import Fault

Moves = tuple[Move, ...]

TOO_LARGE = LARGEST_MESSAGE + 1
TOO_MANY = '{"code":"TOO_MANY_REQUESTS","message":"slow down"}'
HALF_A_BOOK = '{"asks":[["100.7","1"],["101","2"]],"bids":[["100.5","3"],["10'
ERROR = b'{"id":null,"error":{"code":4006,"message":"Invalid stream"}}'
BEGUN = (Outage(), Back(), Pass(3))  # a new connection after some time

# What a venue or a network does to single frames.
FRAMES: dict[str, Moves] = {
    "nothing": (),
    "quiet": (Pause(40.0),),
    "dropped": (Drop("depth"),),
    "dropped in a row": (Drop("depth", 5),),
    "dropped apart": (Drop("depth"), Pass(4), Drop("depth"), Pass(4), Drop("depth")),
    "dropped, throttled": (Until("depth.200ms"), Drop("depth.200ms")),
    "dropped trade": (Until("trade"), Drop("trade", 2)),
    "dropped trades": (Until("trade"), Drop("trade"), Until("trade"), Drop("trade", 3)),
    "dropped touch": (Drop("bookTicker"),),
    "duplicated": (Twice("depth"),),
    "duplicated, throttled": (Twice("depth.200ms"),),
    "duplicated trade": (
        Until("trade"),
        Twice("trade"),
    ),
    "repeated": (Again("depth", 4), Again("trade", 4), Again("depth.200ms", 2)),
    "reordered": (Late("depth"), Pass(6)),
    "reordered trades": (Until("trade"), Late("trade"), Until("trade")),
    "delayed": (Late("depth", 6), Pass(40)),
    "delayed, throttled": (Until("depth.200ms"), Late("depth.200ms", 2), Pass(60)),
    "delayed trade": (Until("trade"), Late("trade", 3), *[Until("trade")] * 3),
    "dropped while resyncing": (Drop("depth"), Pass(4), Asked(), Drop("depth", 2), Pass(4)),
    "held over a resync": (Drop("depth"), Hold("depth", 4), Asked(), Pause(1.0), Release()),
    "truncated": (Mangle("depth", "half"),),
    "truncated trade": (
        Until("trade"),
        Mangle("trade", "half"),
    ),
    "not UTF-8": (Mangle("depth", "not UTF-8"),),
    "inexact": (Mangle("depth", "inexact"),),
    "another market": (Mangle("depth", "another market"),),
    "ids from high to low": (Mangle("depth", "ids from high to low"),),
    "no ids": (Mangle("depth", "no ids"),),
    "trade without id": (
        Until("trade"),
        Mangle("trade", "no ids"),
    ),
    "nested too deep": (Mangle("depth", "nested"),),
    "garbage text": (Noise(b"<html>502 Bad Gateway</html>"),),
    "garbage bytes": (Noise(b"\xff\xfe\x00garbage"),),
    "garbage binary": (Noise(b"\x00\x01\xfe\xff" * 64, binary=True),),
    "empty messages": (Noise(b""), Noise(b"", binary=True)),
    "error reply": (Noise(ERROR),),
    "unknown stream": (Noise(b'{"data":{"e":"newThing"},"stream":"newThing.SOL_USDC"}'),),
    "ids backwards": (Renumber(-1_000_000),),
    "ids far ahead": (Renumber(1_000_000),),
    "delisted": (Delist(), Pass(10), Pause(120.0)),
}

# How connections end, and how they begin again.
CONNECTIONS: dict[str, Moves] = {
    **{
        f"close {code}": (Hangup(code), *BEGUN)
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 3000, 4000)
    },
    "cut": (Cutoff(), *BEGUN),
    "cut at no cost": (Cutoff(), Back(), Pass(3)),
    "half-open": (Freeze(), *BEGUN),
    "pings not answered": (Deaf(), Pass(10), Pause(60.0), *BEGUN),
    "oversized": (Oversized(TOO_LARGE), *BEGUN),
    "oversized, compressed": (Oversized(TOO_LARGE, inflated=True), *BEGUN),
    "slow handshake": (Door(Fault(delay=5.0)), Cutoff(), *BEGUN),
    "handshake too slow": (Door(Fault(delay=30.0)), Cutoff(), *BEGUN),
    "handshake refused": (Door(Fault(503, "overloaded"), 3), Cutoff(), *BEGUN),
    "handshake not found": (Door(Fault(404)), Hangup(1001), *BEGUN),
    "handshake cut": (Door(Fault(drop=True), 2), Cutoff(), *BEGUN),
    "cut while connecting": (Cutoff(), Outage(4), Knock(), Cutoff(), *BEGUN),
    "cut while subscribing": (Cutoff(), Outage(4), Knock(topics=1), Cutoff(), *BEGUN),
    "closed while subscribing": (Cutoff(), Outage(4), Knock(topics=1), Hangup(1012), *BEGUN),
    "cut before the snapshot": (Cutoff(), Outage(4), Back(), Pass(3), Cutoff(), *BEGUN),
    "cut again and again": (Cutoff(), *BEGUN, Cutoff(), *BEGUN, Hangup(1012), *BEGUN),
    "restarted on lower ids": (Hangup(1012), Outage(3), Renumber(-1_000_000), Back(), Pass(3)),
    "restarted on higher ids": (Hangup(1012), Outage(3), Renumber(1_000_000), Back(), Pass(3)),
    "delisted and cut": (Delist(), Pass(10), Cutoff(), *BEGUN, Pause(30.0)),
}


def lost_with(*faults: Fault) -> Moves:
    """The book is lost, and the snapshots for it have these faults."""
    return (*map(Rest, faults), Drop("depth"), Pass(8), Asked(), Pass(8))


# What REST does when a snapshot is needed.
SNAPSHOTS: dict[str, Moves] = {
    "429": lost_with(Fault(429, TOO_MANY), Fault(429, TOO_MANY)),
    "429 with Retry-After": lost_with(Fault(429, TOO_MANY, headers={"Retry-After": "90"})),
    "500": lost_with(*[Fault(500, "oops")] * 3),
    "503": lost_with(Fault(503, "")),
    "404": lost_with(Fault(404, "gone for a moment")),
    "timeout": lost_with(Fault(delay=40.0)),
    "connection dropped": lost_with(Fault(drop=True), Fault(drop=True)),
    "garbage reply": lost_with(Fault(body="<html>502</html>"), Fault(body="")),
    "reply of another shape": lost_with(Fault(body='{"bids":[]}'), Fault(body="[]")),
    "reply cut short": lost_with(Fault(headers={"Content-Length": "99999999"})),
    "truncated reply": lost_with(Fault(body=HALF_A_BOOK)),
    "stale reply": lost_with(Fault(stale=30), Fault(stale=12)),
    "slow reply": (Rest(Fault(delay=3.0)), Drop("depth"), Asked(), Pass(30), Pause(4.0), Pass(3)),
    "snapshot ahead": (Drop("depth"), Pass(3), Hold("depth", 3), Asked(), Pause(2.0), Release()),
    "ahead at the start": (
        *(Cutoff(), Outage(4), Back(), Pass(4), Hold("depth", 3), Asked(), Pause(2.0)),
        *(Release(), Pass(5)),
    ),
    "snapshot behind": (
        *(Rest(Fault(stale=6)), Cutoff(), Outage(4), Back(), Pass(4), Asked(), Pass(10)),
    ),
    "cut during a snapshot": (
        *(Rest(Fault(delay=2.0)), Drop("depth"), Pass(4), Asked(), Cutoff(), *BEGUN),
    ),
    "closed during a snapshot": (
        *(Rest(Fault(delay=8.0)), Drop("depth"), Pass(4), Asked(), Hangup(1001), *BEGUN, Pass(5)),
    ),
    "closed during a snapshot, then silence": (
        *(Rest(Fault(delay=9.0)), Drop("depth"), Pass(4), Asked(), Hangup(1001), Outage(), Back()),
        Pause(20.0),
    ),
    "unreadable during a snapshot, then silence": (
        *(Rest(Fault(delay=9.0)), Drop("depth"), Asked(), Mangle("depth", "inexact"), Pause(20.0)),
    ),
    "lost twice during a snapshot": (
        *(Rest(Fault(delay=2.0)), Drop("depth"), Pass(4), Asked(), Drop("depth"), Pass(4)),
    ),
    "unreadable during a snapshot": (
        *(Rest(Fault(delay=2.0)), Drop("depth"), Asked(), Mangle("depth", "half"), Pass(4)),
    ),
    "renumbered during a snapshot": (
        *(Rest(Fault(delay=2.0)), Drop("depth"), Pass(4), Asked(), Renumber(-500_000), Pass(8)),
    ),
}

FAULTS: Mapping[str, Moves] = {**FRAMES, **CONNECTIONS, **SNAPSHOTS}
