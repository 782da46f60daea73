"""Whether a recording is well: what is wrong with it right now, by reason."""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from recorder.silence_words import several
from recorder.watch import Watch
from schemas.frames import Judgement
from tape.quantities import pretty_span

SILENCE_S = 120.0  # the venue sends tickers every second, and was seen to be silent for 30 s
BOOK_S = 120.0  # 200 books take 40 s to come, at 5 snapshots a second
LIVELY = frozenset(("ticker", "depth", "bookTicker", "markPrice"))  # never silent for so long


class Reason(StrEnum):
    """Why a recording is not well."""

    STARTING = "starting"
    FAULT = "fault"
    NO_CONNECTION = "no_connection"
    SILENCE = "silence"
    DEAD = "dead"
    DISK = "disk"
    SHEDDING = "shedding"
    LOAD = "load"
    BOOK = "book"


# For the documentation; what is looked at is below.
MEANING = {
    Reason.STARTING: "nothing is recorded yet: the market list has not come",
    Reason.FAULT: "a fault of this program; it is about to end, and all frames are kept",
    Reason.NO_CONNECTION: "the venue's websocket is not connected, or the recorder is stopping",
    Reason.SILENCE: f"no message for {SILENCE_S:g} s, with a {', '.join(sorted(LIVELY))} recorded",
    Reason.DEAD: "topics say nothing though they ought to; they are subscribed again by themselves",
    Reason.DISK: "the disk refuses writes, hangs or is gone; capture goes on in memory",
    Reason.SHEDDING: "memory is full and frames are being lost",
    Reason.LOAD: "the recorder does not keep up, and sheds rows or frames",
    Reason.BOOK: f"a book has not been live for {BOOK_S:g} s",
}


class Problem(NamedTuple):
    """Something that is wrong now, in words too."""

    reason: Reason
    detail: str


def problems(watch: Watch) -> list[Problem]:
    """All that is wrong; empty if the recording is well."""
    found = [(reason, look(watch)) for reason, look in _LOOKS.items()]
    return [Problem(reason, detail) for reason, detail in found if detail]


def _starting(watch: Watch) -> str:
    return MEANING[Reason.STARTING] if watch.recorder.program is None else ""


def _fault(watch: Watch) -> str:
    fault = watch.recorder.intake.fault
    return "" if fault is None else f"{type(fault).__name__}: {fault}"


def _no_connection(watch: Watch) -> str:
    links = watch.recorder.links
    if links is None:
        return "there was none yet"
    if links.is_open:
        return ""
    return str(links.trouble or f"connection {links.newest} has ended")


def _silence(watch: Watch) -> str:
    if not watch.topics(LIVELY):
        return ""
    silent_s = watch.silent_ns / 1e9
    return f"no message for {pretty_span(silent_s)}" if silent_s > SILENCE_S else ""


def _dead(watch: Watch) -> str:
    dead = watch.recorder.tally.silences.of(Judgement.DEAD)
    why = next(iter(dead.values()), "")
    return f"{several(list(dead))}: {why}" if dead else ""


def _disk(watch: Watch) -> str:
    return watch.recorder.store.disk.trouble


def _shedding(watch: Watch) -> str:
    memory = watch.recorder.intake.memory
    return f"{memory.lost.frames} frames were lost so far" if memory.shedding else ""


def _load(watch: Watch) -> str:
    return watch.recorder.load_alarm.alarm


def _book(watch: Watch) -> str:
    spans = {name: span / 1e9 for name, span in watch.without_books().items()}
    late = sorted(name for name, span in spans.items() if span > BOOK_S)
    if not late:
        return ""
    more = f" and {len(late) - 1} more" if len(late) > 1 else ""
    return f"{late[0]}{more}: not live for {pretty_span(max(spans.values()))}"


_LOOKS: dict[Reason, Callable[[Watch], str]] = {
    Reason.STARTING: _starting,
    Reason.FAULT: _fault,
    Reason.NO_CONNECTION: _no_connection,
    Reason.SILENCE: _silence,
    Reason.DEAD: _dead,
    Reason.DISK: _disk,
    Reason.SHEDDING: _shedding,
    Reason.LOAD: _load,
    Reason.BOOK: _book,
}
