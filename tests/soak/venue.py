"""The venue of a soak, in a process of its own: ``python -m tests.soak.venue FOLDER ..``.

Says in lines of JSON where it is, once it listens, and what it has done, once it is over; what it
has sent is in FOLDER/sent.bin.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.soak.crowd import Crowd, crowd
from tests.soak.faults import Faults
from tests.soak.journal import SentLog
from tests.venue.link import Cue
from tests.venue.options import Options
from tests.venue.server import Venue

TICK_S = 0.01
SETTLE_S = 3.0  # after the last subscription, and after the last frame


class Player:
    """Plays a crowd to whoever is connected, loses what the faults say, and notes all of it."""

    def __init__(self, venue: Venue, people: Crowd, log: SentLog, faults: Faults) -> None:
        self.frames = 0
        self.peak = 0  # frames in the second with most of them
        self._venue = venue
        self._people = people
        self._log = log
        self._faults = faults

    async def play(self, seconds: float) -> None:
        """As it was recorded, for so long."""
        cues = self._people.cues(self._venue.truth.restart)
        held = next(cues)
        zero, first_ns, since = time.monotonic(), held.t_ns, (0, 0)
        while (now := time.monotonic() - zero) < seconds:
            batch = []
            while held.t_ns - first_ns <= now * 1e9:
                batch.append(held)
                held = next(cues)
            self._faults.at(now, self.frames)
            self._send(batch)
            if now >= since[0] + 1:
                self.peak, since = max(self.peak, self.frames - since[1]), (int(now), self.frames)
            await self._venue.drain()
            await asyncio.sleep(TICK_S)

    def _send(self, batch: list[Cue]) -> None:
        self._venue.post(batch, lost=True)
        went: list[list[int]] = [[] for _ in batch]
        gone = {at for at in range(len(batch)) if self._is_gone()}
        for link in self._venue.connections:
            if not link.hears():
                continue
            mine = []
            for at, cue in enumerate(batch):
                if cue.topic in link.topics and at not in gone and not self._faults.lost():
                    mine.append(cue.text)
                    went[at].append(link.number)
            if mine:
                link.write(mine)
        self._log.note([(cue.topic, cue.text) for cue in batch], went)
        self.frames += len(batch)

    def _is_gone(self) -> bool:
        self._faults.losing -= self._faults.losing > 0
        return self._faults.losing > 0


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.venue", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rate", type=float, required=True, help="frames a second")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", type=int, default=1, help="to wait for")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(argv)


async def _until_subscribed(venue: Venue, people: Crowd, connections: int) -> None:
    """All topics on all connections."""

    def all_there() -> bool:
        whole = [link for link in venue.connections if len(link.topics) == len(people.topics)]
        return len(whole) >= connections

    await venue.until(all_there)
    await asyncio.sleep(SETTLE_S)


async def run(args: argparse.Namespace) -> None:
    """Serve until stdin ends, which is who started it."""
    single = crowd(1, time.time_ns()).rate
    people = crowd(max(1, round(args.rate / single)), time.time_ns())
    log = SentLog(args.folder / "sent.bin", people.topics)
    options = Options(deflate=False, log=False)
    async with Venue(snapshots=people.snapshots, markets=people.markets, options=options) as venue:
        faults = Faults(venue, args.seed)
        player = Player(venue, people, log, faults)
        _say(event="ready", ws=venue.ws_url, rest=venue.rest_url, topics=people.topics)
        await _until_subscribed(venue, people, args.connections)
        _say(event="playing", rate=people.rate)
        await player.play(args.seconds)
        await asyncio.sleep(SETTLE_S)
        log.close()
        _say(event="played", frames=player.frames, peak=player.peak, events=faults.events)
        with suppress(asyncio.CancelledError):
            await asyncio.to_thread(input)


def _say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    with suppress(EOFError):
        asyncio.run(run(arguments()))
