"""Machines that record one venue, each what reaches it; and what they heard, told without them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from schemas.frames import Kind, MessagesCopied, to_json
from tests.tapes import START_NS, Recording, Setting

TOPICS = ("ticker.SOL_USDC", "trade.SOL_USDC")


class Said(NamedTuple):
    """Something that the venue says: what it is, and when, in ns from the beginning."""

    body: str
    at: int

    def text(self, event_us: int) -> bytes:
        """As a server sends it that got it at ``event_us``."""
        return self.body.replace("EVENT", str(event_us)).encode()


def trade(number: int, at: int) -> Said:
    """Number ``number`` of all trades."""
    body = (
        '{"data":{"E":EVENT,"T":%d,"a":"2","b":"1","e":"trade","m":true,"p":"98.97","q":"1.5",'
        '"s":"SOL_USDC","t":%d},"stream":"trade.SOL_USDC"}'
    )
    return Said(body % ((START_NS + at) // 1_000, number), at)


def ticker(at: int, last: str = "99.00") -> Said:
    """A ticker; one that has not changed is sent again a second later."""
    body = (
        '{"data":{"E":EVENT,"V":"1","c":"%s","e":"ticker","h":"1","l":"1","n":1,"o":"1",'
        '"s":"SOL_USDC","v":"1"},"stream":"ticker.SOL_USDC"}'
    )
    return Said(body % last, at)


class Hearing(NamedTuple):
    """That a machine hears it: how late, ns; by how much its server was late, us. again: and once
    more, so much later, on a second connection."""

    late: int
    event: int = 0
    again: int | None = None


class Machine:
    """One recorder. ahead: of its wall clock, ns; its monotonic one began anywhere."""

    def __init__(self, root: Path, name: str, ahead: int = 0) -> None:
        self.root = root / name
        self.heard: list[tuple[int, bytes, int]] = []  # when, what, how many copies of its own
        self.tape = Recording(self.root, Setting(session=f"20260902T164310Z-{name}"))
        self.ahead = ahead
        self.tape.wall += ahead
        self.tape.mono += 7 * ahead + len(name)
        self._now = 0
        self._copies: list[tuple[int, int, int]] = []

    def wait(self, at: int) -> None:
        """Until so long after the beginning."""
        self.tape.pass_(max(at - self._now, 0))
        self._now = max(at, self._now)

    def begin(self) -> None:
        """Connect and subscribe."""
        self.tape.begin(TOPICS)
        self.tape.connect()

    def hear(self, said: Said, hearing: Hearing) -> None:
        """A message arrives, and perhaps again."""
        self.wait(said.at + hearing.late)
        text = said.text((START_NS + said.at) // 1_000 + hearing.event)
        frame = self.tape.data(text)
        self.heard.append((self._now, text, 0 if hearing.again is None else 1))
        if hearing.again is not None:
            self.note(frame.seq, hearing.again)

    def note(self, seq: int, late_ns: int) -> None:
        """What was there came again on a connection that is opened for it."""
        self.wait(self._now + late_ns)
        noted = MessagesCopied([seq], [self.tape.conn], [late_ns], [3])
        self.tape.take(Kind.COPIES, to_json(noted))

    def stop(self) -> None:
        """Hang up and seal."""
        self.tape.hang_up()
        self.tape.stop()
