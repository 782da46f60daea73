"""An unmodified ccxt.pro is given what was recorded: the demo, at a higher pace."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import NamedTuple

import pytest

from tests.shared import ROOT

# Not imported here: that takes a second in each process that only collects tests.
pytestmark = pytest.mark.skipif(
    find_spec("ccxt") is None,
    reason="ccxt is not installed; make demo-ccxt and make bench install it",
)

PACE = ("--speed", "60x")
LOSSY = ("--chaos", "seed=7,drop=0.01")
# What ccxt asks of aiohttp is of no use from Python 3.12.7 and 3.13.1 on, and aiohttp says so.
OF_CCXT = "ignore:enable_cleanup_closed ignored:DeprecationWarning"
PATIENCE_S = 60.0  # nothing here takes as long; it only ends what would hang

Ended = subprocess.CompletedProcess[str]


class Demos(NamedTuple):
    """The demo as it is, and with one frame in a hundred lost."""

    whole: Ended
    lossy: Ended


@pytest.fixture(scope="module")
def demos() -> Demos:
    """Both at once, since most of the time they wait."""
    with ThreadPoolExecutor() as pool:
        return Demos(*pool.map(_demo, (PACE, PACE + LOSSY)))


def _demo(options: tuple[str, ...]) -> Ended:
    warnings = ("-W", "error", "-W", OF_CCXT)
    command = [sys.executable, *warnings, "-m", "tests.demo_ccxt", *options]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def test_ccxt_has_what_was_recorded(demos: Demos) -> None:
    """Every kind of stream delivers, and books and trades are equal at the end."""
    code, out, err = demos.whole.returncode, demos.whole.stdout, demos.whole.stderr
    assert (code, err) == (0, ""), out
    assert "== ccxt.pro has what was recorded." in out
    assert out.count("\nok  ") == 5


def test_the_comparison_sees_what_ccxt_does_not(demos: Demos) -> None:
    """It applies whatever comes and compares no ids, so that lost frames leave its book wrong."""
    code, out, err = demos.lossy.returncode, demos.lossy.stdout, demos.lossy.stderr
    assert (code, err) == (1, ""), out
    assert "\nNOT SO  BTC/USDC:USDC: 95 bids and 90 asks" in out
