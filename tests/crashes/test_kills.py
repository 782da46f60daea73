"""kill -9 at random moments, while it records, rolls, seals, makes rows anew and compacts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from signal import SIGKILL
from threading import Event, Timer

import pytest

from replay.certificate import Outcome
from replay.certify import certify
from tape.layout import Tape
from tests.crashes.inspection import Sessions, check_mended, taped
from tests.crashes.nursery import Nursery, nursery
from tests.crashes.victim import mend, session_name
from tests.crashes.watch import Watcher, check_arrived

SOAK = bool(os.environ.get("SOAK"))
KILLS = 2_000 if SOAK else 40
KILLS_A_FOLDER = 10  # sessions one after another in the same folder
LONGEST_LIFE_S = 0.25


@pytest.fixture(scope="module")
def bearer() -> Iterator[Nursery]:
    """Victims on demand."""
    with nursery() as one:
        yield one


def killed(bearer: Nursery, watcher: Watcher, number: int, seconds: float) -> int:
    """A session that dies after so long, read all the while; the highest seq it had synced."""
    group, dead = bearer.bear(watcher.tape.root, number), Event()

    def kill() -> None:
        os.killpg(group, SIGKILL)
        dead.set()

    Timer(seconds, kill).start()
    try:
        while not dead.is_set():
            watcher.look()
    finally:
        dead.wait()
        flushed = bearer.bury()
    return flushed


@pytest.mark.parametrize("folder", range(KILLS // KILLS_A_FOLDER))
def test_what_was_flushed_survives_kills(bearer: Nursery, quick: Path, folder: int) -> None:
    """Every second time the next victim finds what the one before left."""
    tape, chance = Tape(quick / "tape"), Random(folder)
    watcher = Watcher(tape)
    flushed: dict[str, int] = {}
    for number in range(KILLS_A_FOLDER):
        seconds = chance.uniform(0, LONGEST_LIFE_S)
        flushed[session_name(number)] = killed(bearer, watcher, number, seconds)
        check_all(taped(tape), flushed)
        if chance.random() < 0.5:
            mend(tape)
            check_all(check_mended(tape), flushed)
    mend(tape)
    check_all(check_mended(tape), flushed)
    assert certify(tape).outcome in (Outcome.CERTIFIED, Outcome.RECOVERED)


def check_all(found: Sessions, flushed: dict[str, int]) -> None:
    """All that was flushed, of each session."""
    assert found.keys() <= flushed.keys()
    for session, seq in flushed.items():
        check_arrived(session, found[session])
        assert len(found[session]) >= seq, f"{session}: {len(found[session])} of {seq}"
