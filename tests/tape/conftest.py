"""What most tests of this room start from."""

from pathlib import Path

import pytest

from tape.layout import SegmentName, Tape
from tests.tape.dumb import NAME, SECOND, DumbRecorder, sealed


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    """A folder where nothing was recorded yet."""
    return Tape(tmp_path / "data")


@pytest.fixture
def whole(tape: Tape) -> Tape:
    """A recording of two certified segments, seq 1 to 5 and 6 to 9."""
    recorder = DumbRecorder(tape)
    recorder.say(("ETH_USDC", 123_450_000_000, 1), ("2Z_USDC", 1, 0), (None, 1, -1))
    recorder.say(("ETH_USDC", 10**18 - 1, 10**18 - 1), ("A/B_USDC", 1, 1))
    recorder.say(("SOL_USDC", 1, -1), stream="depth.SOL_USDC")
    recorder.roll()
    recorder.ts += SECOND
    recorder.say(("ETH_USDC", 1, 1))
    recorder.say()
    recorder.stop()
    sealed(tape, NAME)
    sealed(tape, SegmentName(NAME.session, NAME.number + 1))
    return tape
