"""Carries moves out at a venue, and keeps what is true of it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Sequence

from websockets.frames import Frame, Opcode

from tests.faults import moves
from tests.faults.truth import Truth
from tests.venue import DOOR, Close, Cut, Fault, Link, Stall, Venue
from tests.venue.actor import Actor
from tests.venue.link import Cue

PATH = "/api/v1/depth?symbol="
NOT_FOUND = Fault(404, '{"code":"RESOURCE_NOT_FOUND","message":"Not Found"}')
ENOUGH_S = 150.0  # every pause of the recorder is shorter
_FOREVER = 100_000
_IDS = re.compile(r'"(U|u|t)":(\d+)')
_TIMES = re.compile(r'"(E|T)":(\d+)')

MANGLED: dict[str, Callable[[str], bytes]] = {
    "half": lambda text: text[: len(text) // 2].encode(),
    "not UTF-8": lambda text: text[:-2].encode() + b"\xff" + text[-2:].encode(),
    "inexact": lambda text: re.sub(r'\["(\d+)\.', r'["\1.0000000000000001', text).encode(),
    "another market": lambda text: re.sub(r'"s":"[^"]+"', '"s":"WIF_USDC"', text).encode(),
    "ids from high to low": lambda text: re.sub(r'"u":\d+', '"u":1', text).encode(),
    "no ids": lambda text: re.sub(r'"[Uut]":\d+,?', "", text).replace(",}", "}").encode(),
    "nested": lambda text: text[:-1].encode() + b',"x":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
}


class Stage:
    """A venue and its place in the feed; the moves of a fault are about one market.

    truth: what the venue knows.
    torn: numbers of connections that may have lost what was sent last.
    delisted: markets that are gone.
    honest: whether all snapshots were those of the moment.
    silent: topics that have said nothing since `settle`.
    """

    def __init__(self, venue: Venue, cues: Sequence[Cue], topics: Sequence[str]) -> None:
        self.truth = Truth(venue.truth)
        self.torn: set[int] = set()
        self.delisted: set[str] = set()
        self.honest = True
        self.silent: set[str] = set()
        self._venue = venue
        self._cues = cues
        self._topics = frozenset(topics)
        self._at = 0
        self._past: list[Cue] = []
        self._held: list[Cue] = []
        self._late: list[tuple[int, Cue]] = []
        self._ids = self._micros = 0

    async def play(self, fault: Sequence[moves.Move], market: str) -> None:
        """All moves of a fault, one after the other."""
        for move in fault:
            await self._carry_out(move, market)
            await self._venue.drain()

    async def _carry_out(self, move: moves.Move, market: str) -> None:
        match move:
            case moves.Pass(count):
                await self.go_on(count)
            case moves.Pause(seconds):
                await asyncio.sleep(seconds)
            case moves.Door(fault, times):
                self._venue.faults.add(DOOR, fault, times)
            case moves.Rest(fault, times):
                self.honest &= not fault.stale
                self._venue.faults.add(PATH + market, fault, times)
            case moves.Delist():
                self._delist(market)
            case moves.Renumber(by, seconds):
                self._renumber(by, seconds)
            case moves.Back() | moves.Knock() | moves.Asked():
                await self._wait(move, market)
            case moves.Noise() | moves.Oversized():
                self._say(move)
            case moves.Hangup() | moves.Cutoff() | moves.Freeze() | moves.Deaf():
                await self._end(move)
            case _:
                self._alter(move, market)

    def _delist(self, market: str) -> None:
        """A market is gone, unless it is the last one."""
        if {topic.rpartition(".")[2] for topic in self._topics} > {*self.delisted, market}:
            self.delisted.add(market)
            self._venue.faults.clear(PATH + market)
            self._venue.faults.add(PATH + market, NOT_FOUND, _FOREVER)

    async def go_on(self, count: int) -> None:
        """Send the next frames of the feed as they are."""
        for _ in range(count):
            self._send(self._next())
        await self._venue.drain()

    def settle(self) -> None:
        """Send what is still held back; from here on every stream is to be heard."""
        self._deliver([*self._held, *(late for _, late in self._late)])
        self._held, self._late = [], []
        self.silent = {t for t in self._topics if t.rpartition(".")[2] not in self.delisted}

    def _alter(self, move: moves.Move, market: str) -> None:
        """Moves about frames of the feed."""
        match move:
            case moves.Outage(count):
                for _ in range(count):
                    self._next()
            case moves.Until(of):
                self._send(self._find(of, market))
            case moves.Drop(of, count):
                for _ in range(count):
                    self._find(of, market)
            case moves.Twice(of):
                self._deliver([found := self._find(of, market), found])
            case moves.Late(of, by):
                late = self._find(of, market)  # first: it sends others, and those make way
                self._late.append((by, late))
            case moves.Mangle(of, how):
                self._venue.utter(MANGLED[how](self._find(of, market).text))
            case moves.Again(of, count):
                past = [cue for cue in self._past if cue.topic == f"{of}.{market}"]
                self._deliver(past[-count:])
            case moves.Hold(of, count):
                self._held += [self._find(of, market) for _ in range(count)]
            case moves.Release():
                self._deliver(self._held)
                self._held = []
            case _:
                raise ValueError(f"no such move: {move}")

    def _next(self) -> Cue:
        """The next frame of the feed as it is now; the venue's books have it."""
        while True:
            cue = self._cues[self._at]
            self._at += 1
            if cue.topic.rpartition(".")[2] not in self.delisted:
                break
        if self._ids or self._micros:
            text = _IDS.sub(lambda m: f'"{m[1]}":{int(m[2]) + self._ids}', cue.text)
            text = _TIMES.sub(lambda m: f'"{m[1]}":{int(m[2]) + self._micros}', text)
            cue = cue._replace(text=text)
        self.truth.note(cue)
        return cue

    def _find(self, of: str, market: str) -> Cue:
        """The next frame of a channel, after all that come before it."""
        topic = f"{of}.{market}"
        if market in self.delisted or topic not in self._topics:
            return self._next()
        while (cue := self._next()).topic != topic:
            self._send(cue)
        return cue

    def _send(self, cue: Cue) -> None:
        """A frame as it is, and those that it was to overtake."""
        self._deliver([cue])
        self.silent.discard(cue.topic)
        waiting, self._late = self._late, []
        for left, late in waiting:
            if late.topic != cue.topic or left > 1:
                self._late.append((left - (late.topic == cue.topic), late))
            else:
                self._deliver([late])

    def _deliver(self, cues: Sequence[Cue]) -> None:
        self._past += cues
        self._venue.deliver(cues)

    def _say(self, move: moves.Move) -> None:
        """Messages that are not of the feed."""
        match move:
            case moves.Noise(payload, binary):
                self._venue.force(payload) if binary else self._venue.utter(payload)
            case moves.Oversized(size, inflated):
                for link in self._hearing():
                    self.torn.add(link.number)
                    if inflated and link.deflates:
                        link.write_raw(Frame(Opcode.TEXT, b" " * size))
                    else:
                        link.connection.transport.write(b"\x81\x7f" + size.to_bytes(8, "big"))
                    link.stalled = True  # in the middle of a message there is nothing else to say

    async def _end(self, move: moves.Move) -> None:
        """Ends of connections, and what becomes one."""
        self._held, self._late = [], []  # of no use to the next connection
        if not isinstance(move, moves.Hangup):
            self.torn |= {link.number for link in self._hearing()}
        match move:
            case moves.Hangup(code):
                await self._act(Close(code, "so be it"))
            case moves.Cutoff():
                await self._act(Cut())
            case moves.Freeze():
                await self._act(Stall(deaf=True))
            case moves.Deaf():
                for link in self._hearing():
                    link.connection.transport.pause_reading()

    async def _act(self, step: Close | Cut | Stall) -> None:
        await Actor(self._venue, [step]).run()

    async def _wait(self, move: moves.Move, market: str) -> None:
        venue = self._venue
        match move:
            case moves.Back():
                await venue.until(lambda: any(self._topics <= k.topics for k in self._hearing()))
            case moves.Knock(topics):
                await venue.until(lambda: any(len(k.topics) >= topics for k in self._hearing()))
            case moves.Asked():
                seen = venue.requests.count(PATH + market)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ENOUGH_S):
                        await venue.until(lambda: venue.requests.count(PATH + market) > seen)

    def _hearing(self) -> list[Link]:
        return [link for link in self._venue.connections if link.hears()]

    def _renumber(self, by: int, seconds: int) -> None:
        self._ids += by
        self._micros += seconds * 1_000_000
        self.truth.renumber(by, seconds)
