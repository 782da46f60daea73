"""How late a server at a pace sends to two clients that take all there is."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.listener import Heard
from bench.report import line
from bench.rounds import squeezed
from bench.served import Listener, Served, crowd
from schemas.frames import Kind
from tape.layout import Tape
from tape.reader import read_frames, segments

FRAMES, SECONDS = 90_000, 30.0
SPEEDS = (1, 10)
CLIENTS = 2
AIM_MS = 5


class Due(NamedTuple):
    """first_ts: tape time of the first frame, from which the clock of the server counts.
    offsets: of each message that the clients get, ns since then by the recorder's clock."""

    first_ts: int
    offsets: list[int]


def run(data: Path) -> None:
    """Print the lines of this part."""
    squeezed(data, FRAMES, SECONDS)
    due = _due(data)
    print(f"-- bp-replay --serve at a pace: {FRAMES:,} messages to each of {CLIENTS} clients")
    for speed in SPEEDS:
        _pace(data, due, speed)


def _due(data: Path) -> Due:
    tape = Tape(data)
    frames = [frame for part in segments(tape) for frame in read_frames(tape, part)]
    first = frames[0]
    offsets = [frame.ts_mono - first.ts_mono for frame in frames if frame.kind is Kind.DATA]
    return Due(first.ts_recv, offsets)


def _pace(data: Path, due: Due, speed: int) -> None:
    """What is measured is the time from when a frame is due to the client's receipt of it, with
    scheduling, both processes and the socket. It is due by the server's own clock, of which it is
    known between what moments it began; the earlier one counts."""
    options = ("--start", "on-subscribe", "--speed", f"{speed}x")
    with Served(data, *options, once=True, ahead=True) as server:
        clients = [Listener(server.address, ahead=True) for _ in range(CLIENTS)]
        server.watched.wait_for("playing")
        anchor = server.anchor(due.first_ts, speed)
        heard = [client.heard() for client in clients]
    late = sorted(ns for each in heard for ns in _lateness(each, due, anchor.earliest, speed))
    line(
        f"{speed}x, {FRAMES / SECONDS * speed:,.0f}/s: lateness, median and p99",
        f"{_ms(late, 0.5)} and {_ms(late, 0.99)} ms",
        f"aim: p99 below {AIM_MS} ms; worst {_ms(late, 1)}; all up to {anchor.doubt_ms:.2f} less;"
        f" {crowd(server.watched, *heard)}",
    )


def _lateness(heard: Heard, due: Due, zero: int, speed: int) -> list[int]:
    if heard.messages != len(due.offsets):
        raise RuntimeError(f"{heard.messages:,} of {len(due.offsets):,} messages came")
    offsets = iter(due.offsets)
    return [
        piece.at - zero - next(offsets) // speed
        for piece in heard.pieces
        for _ in range(piece.messages)
    ]


def _ms(ordered: Sequence[int], share: float) -> str:
    """The value that this share of them does not exceed."""
    return f"{ordered[min(int(len(ordered) * share), len(ordered) - 1)] / 1e6:.2f}"
