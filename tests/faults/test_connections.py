"""Every way in which connections end, and begin again. One scene for each fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.checks import check
from tests.faults.scene import Hit, record
from tests.faults.table import CONNECTIONS
from tests.faults.tells import TELLS, told


@pytest.mark.parametrize("fault", CONNECTIONS)
def test_a_fault_of_a_connection(fault: str, tmp_path: Path) -> None:
    evidence = record([Hit(5, fault)], tmp_path)
    check(evidence)
    assert told(evidence) == TELLS[fault]
