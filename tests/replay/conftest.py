"""Recordings that the tests of this room share; whoever changes one takes a copy."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree, rmtree

import pytest

from tape.layout import Tape
from tests.replay.eventful import eventful
from tests.simulate import Plan
from tests.tapes import Recording, Setting, simulated

PLAN = Plan(seed=3, seconds=6)
EVERY = 50  # frames between two checkpoints


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Six simulated seconds in three segments."""
    root = tmp_path_factory.mktemp("recording")
    return simulated(root / "tape", PLAN, rolls=2, setting=Setting(every=EVERY))


@pytest.fixture(scope="session")
def tape(recording: Recording) -> Tape:
    """The recording's folder, not to be changed."""
    return recording.tape


@pytest.fixture
def copy(recording: Recording, tmp_path: Path) -> Tape:
    """A copy of the recording to be spoilt."""
    return Tape(copytree(recording.tape.root, tmp_path / "copy"))


@pytest.fixture(scope="session")
def copy_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Recording], Tape]:
    """Copies of a recording for a property test: each takes the place of the one before."""
    root = tmp_path_factory.mktemp("copies") / "tape"

    def make(recording: Recording) -> Tape:
        rmtree(root, ignore_errors=True)
        return Tape(copytree(recording.tape.root, root))

    return make


@pytest.fixture(scope="session")
def eventful_recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Nine seconds with gaps, rejects and a lost connection, in four segments."""
    return eventful(tmp_path_factory.mktemp("eventful") / "tape", EVERY)


@pytest.fixture(params=["recording", "eventful_recording"])
def any_recording(request: pytest.FixtureRequest) -> Recording:
    """Both, one after the other."""
    found: Recording = request.getfixturevalue(request.param)
    return found
