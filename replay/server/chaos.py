"""Faults on purpose: a bad day made of a good recording, the same one each time.

What happens to a frame is drawn from the seed, its session and its number alone, so it depends
neither on the speed, nor on the clients, nor on where the replay is begun. All frames of a tape
have a number, so sealing again or compacting changes nothing either.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from fractions import Fraction
from functools import lru_cache
from hashlib import shake_128
from struct import Struct
from typing import NamedTuple

from schemas.errors import UsageError

_EXAMPLE = "for example seed=7,drop=0.001,dup=0.001,delay=0.01:250ms,disconnect=0.0001,rest=0.05"
_KINDS = ("drop", "dup", "delay", "disconnect", "rest")
_NAMES = ("seed", *_KINDS)
_UNITS = {"us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000}
_TIME = re.compile(r"([0-9]{1,9})(us|ms|s|m)", re.ASCII)
_LONGEST_NS = 60_000_000_000  # of a delay: what is put off lies in memory
_SEED = re.compile(r"[0-9]{1,18}", re.ASCII)
_FINEST = 18  # decimals of a probability; a draw has 64 bits, which is 19
_PROBABILITY = re.compile(rf"[0-9](\.[0-9]{{1,{_FINEST}}})?", re.ASCII)
_STATUSES = (503, 429, 500)

_BLOCK = 64  # frames drawn for at once: one hash for all of them costs little more than for one
_DRAWS = Struct(f"<{4 * _BLOCK}Q")  # drop, dup, delay, disconnect of each
_REST_DRAWS = Struct("<QQ")
_BLOCKS_KEPT = 64  # at least one for each session that is played at the same time
_CERTAIN = 1 << 64  # above every draw


class Fate(NamedTuple):
    """What is to happen to a frame.

    copies: how often it is sent: 0 dropped, 1, or 2 duplicated. delay: ns of tape time; 0 of one
    that is dropped. disconnect: all connections are cut right after this frame, dropped or not.
    """

    copies: int
    delay: int
    disconnect: bool

    @property
    def faults(self) -> tuple[str, ...]:
        """Names of the faults, as `Chaos.parse` knows them: to be counted."""
        names = {0: "drop", 2: "dup"}
        copies = (names[self.copies],) if self.copies in names else ()
        delay = ("delay",) if self.delay else ()
        return (*copies, *delay, *(("disconnect",) if self.disconnect else ()))


PLAIN = Fate(1, 0, False)  # the very object that `Chaos.fate` returns where nothing happens
_CALM = (PLAIN,) * _BLOCK
_NO_HITS = [False] * _BLOCK


@dataclass(frozen=True)
class Chaos:
    """Probabilities of each fault, drawn one independent of the other.

    drop, dup, delay, disconnect: of a frame; where one is both dropped and something else, it is
    dropped, and may cut the connections. rest: of a REST request. delay_ns: how late a delayed
    frame is. Equal if the fates are.
    """

    seed: int = 0
    drop: Decimal = Decimal(0)
    dup: Decimal = Decimal(0)
    delay: Decimal = Decimal(0)
    disconnect: Decimal = Decimal(0)
    rest: Decimal = Decimal(0)
    delay_ns: int = 0
    _fates: Callable[[str, int], tuple[Fate, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Not on the method: that would keep every Chaos there ever was.
        object.__setattr__(self, "_fates", lru_cache(_BLOCKS_KEPT)(self._draw))

    @classmethod
    def parse(cls, text: str) -> "Chaos":
        """Of ``seed=7,drop=0.001,delay=0.01:250ms``, in any order; what is missing never happens.

        Raises UsageError for a name or value that cannot be.
        """
        values = _split(text)
        seed = values.pop("seed", "0")
        if not _SEED.fullmatch(seed):
            raise _error(f"seed={seed} is not a whole number of up to 18 digits")
        late, delay_ns = values.get("delay"), 0
        if late is not None:
            values["delay"], _, time = late.partition(":")
            delay_ns = _time(late, time)
        chances = {name: _probability(name, value) for name, value in values.items()}
        if not chances.get("delay"):
            delay_ns = 0
        return cls(seed=int(seed), delay_ns=delay_ns, **chances)

    def fate(self, session: str, seq: int) -> Fate:
        """What is to happen to a frame of a session. `PLAIN` itself if nothing is."""
        return self._fates(session, seq // _BLOCK)[seq % _BLOCK]

    def rest_fails(self, number: int) -> int | None:
        """HTTP status instead of a reply, for the REST request of this number; None: no fault."""
        happens, which = _REST_DRAWS.unpack(self._bytes("rest", "", number, _REST_DRAWS.size))
        return _STATUSES[which % len(_STATUSES)] if happens < _limit(self.rest) else None

    def __str__(self) -> str:
        """What `parse` makes an equal one of."""
        parts = [f"seed={self.seed}"]
        for name in _KINDS:
            chance: Decimal = getattr(self, name)
            late = f":{_pretty_time(self.delay_ns)}" if name == "delay" else ""
            parts += [f"{name}={chance.normalize():f}{late}"] if chance else []
        return ",".join(parts)

    def _draw(self, session: str, block: int) -> tuple[Fate, ...]:
        """Fates of the frames whose numbers are in one block."""
        draws = _DRAWS.unpack(self._bytes("frames", session, block, _DRAWS.size))
        limits = map(_limit, (self.drop, self.dup, self.delay, self.disconnect))
        hits = [
            [draw < limit for draw in draws[kind::4]] if min(draws[kind::4]) < limit else _NO_HITS
            for kind, limit in enumerate(limits)
        ]
        if all(hit is _NO_HITS for hit in hits):
            return _CALM
        return tuple(map(self._fate, *hits))

    def _fate(self, drop: bool, dup: bool, delay: bool, disconnect: bool) -> Fate:
        if drop:
            return Fate(0, 0, disconnect)
        if dup or delay or disconnect:
            return Fate(2 if dup else 1, self.delay_ns if delay else 0, disconnect)
        return PLAIN

    def _bytes(self, what: str, session: str, number: int, size: int) -> bytes:
        """Chance: the same in all versions of Python, which a hash of its own is not."""
        return shake_128(f"{what}\n{self.seed}\n{session}\n{number}".encode()).digest(size)


def _limit(chance: Decimal) -> int:
    """What a draw of 64 bits must be below."""
    return int(Fraction(chance) * _CERTAIN)


def _split(text: str) -> dict[str, str]:
    """Names and values, each name once."""
    values: dict[str, str] = {}
    for part in text.split(","):
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if not sign:
            raise _error(f"{part.strip()!r} is not a name and a value")
        if name not in _NAMES:
            near = get_close_matches(name, _NAMES, 2, cutoff=0.5) or _NAMES
            raise _error(f"there is no fault {name!r}; nearest: {', '.join(near)}")
        if name in values:
            raise _error(f"{name} is said twice")
        values[name] = value
    return values


def _probability(name: str, text: str) -> Decimal:
    if not _PROBABILITY.fullmatch(text) or Decimal(text) > 1:
        raise _error(f"{name}={text} is not a probability from 0 to 1 (up to {_FINEST} decimals)")
    return Decimal(text)


def _time(late: str, text: str) -> int:
    """ns of ``250ms``."""
    match = _TIME.fullmatch(text)
    if match is None or not int(match[1]):
        raise _error(f"delay={late} does not say how long, as 0.01:250ms does (us, ms, s or m)")
    ns = int(match[1]) * _UNITS[match[2]]
    if ns > _LONGEST_NS:
        raise _error(f"delay={late} is longer than {_pretty_time(_LONGEST_NS)}, all of which waits")
    return ns


def _pretty_time(ns: int) -> str:
    unit = next(name for name in reversed(_UNITS) if ns % _UNITS[name] == 0)
    return f"{ns // _UNITS[unit]}{unit}"


def _error(what: str) -> UsageError:
    return UsageError(f"--chaos: {what}; {_EXAMPLE}")
