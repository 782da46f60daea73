"""Playing a feed through a venue: paced by its own times, or as fast as the sockets take it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from tests.venue.link import Cue
from tests.venue.reel import Reel
from tests.venue.script import Play

if TYPE_CHECKING:
    from tests.venue.server import Venue

BATCH = 256


class Part(NamedTuple):
    """The frames [start, stop) of one round."""

    number: int
    start: int
    stop: int


def parts(reel: Reel, start: int, stop: int) -> Iterator[Part]:
    """Cut the frame positions [start, stop), counted through all rounds, at the rounds' ends."""
    number, base = 0, 0
    while base < stop:
        size = reel.size(number)
        first, last = max(start - base, 0), min(stop - base, size)
        if first < last:
            yield Part(number, first, last)
        base += size
        number += 1


async def play(venue: Venue, step: Play) -> None:
    """Play one step; positions past the feed's length go on into further rounds."""
    size = len(step.feed.frames)
    stop = size if step.stop is None else step.stop
    if stop <= size:
        await _pour(venue, step, iter(step.feed.cues[step.start : stop]))
        return
    reel = venue.reel(step.feed)
    for part in parts(reel, step.start, stop):
        if part.number and part.start == 0:
            venue.truth.restart(reel.snapshots(part.number))
        await _pour(venue, step, reel.round(*part))


async def _pour(venue: Venue, step: Play, cues: Iterator[Cue]) -> None:
    if step.speed is None or step.lost:
        while batch := list(islice(cues, BATCH)):
            venue.post(batch, lost=step.lost)
            await venue.drain()
    else:
        await _paced(venue, cues, step.speed)


async def _paced(venue: Venue, cues: Iterator[Cue], speed: float) -> None:
    """Send each frame at its time; frames due at the same wake-up go out together."""
    loop = asyncio.get_running_loop()
    first = next(cues, None)
    if first is None:
        return
    zero, batch = loop.time(), [first]
    for cue in cues:
        due = zero + (cue.t_ns - first.t_ns) / speed / 1e9
        if due > loop.time():
            venue.post(batch)
            await venue.drain()
            batch = []
            await asyncio.sleep(max(0.0, due - loop.time()))
        batch.append(cue)
    venue.post(batch)
    await venue.drain()
