"""Faults upon faults, drawn at random; and the scripts that once failed, kept as they were.

Every run draws the same few, so that a suite does not turn red by chance. `FAULT_SCRIPTS=5000` in
the environment draws that many others (`make soak-faults`). A failure prints its shortest script, to
be pasted into `KEPT`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.checks import check
from tests.faults.scene import MARKETS, Hit, record
from tests.faults.table import FAULTS

# Where there is a file system in memory: what is tried here is not the patience of a disk.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
SCRIPTS = os.environ.get("FAULT_SCRIPTS")

KEPT: list[list[Hit]] = [
    [Hit(39, "close 1007"), Hit(13, "unreadable during a snapshot, then silence")],
    [Hit(5, "restarted on lower ids")],
    [Hit(0, "snapshot behind")],
    [Hit(0, "snapshot behind", "BTC_USDC_PERP"), Hit(0, "half-open")],
]

hits = st.builds(Hit, st.integers(0, 60), st.sampled_from(list(FAULTS)), st.sampled_from(MARKETS))


@settings(
    max_examples=int(SCRIPTS or 8),
    derandomize=SCRIPTS is None,
    deadline=None,
    database=None,
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(script=st.lists(hits, min_size=1, max_size=8))
def test_any_faults_after_another(script: Sequence[Hit]) -> None:
    with TemporaryDirectory(dir=MEMORY) as folder:
        check(record(script, Path(folder), audit_every=20.0))


@pytest.mark.parametrize("script", KEPT)
def test_a_script_that_once_failed(script: Sequence[Hit], tmp_path: Path) -> None:
    check(record(script, tmp_path))
