"""What lies in ``deploy/``, and the tools that can tell whether it is as it should be."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.shared import ROOT

DEPLOY = ROOT / "deploy"
ALERTS, ALERT_TESTS = DEPLOY / "alerts.yml", DEPLOY / "alerts_test.yml"
SCRAPING = DEPLOY / "prometheus.yml"
UNIT, CONTAINER = DEPLOY / "bp-record.service", DEPLOY / "Containerfile"
IGNORED = ROOT / ".dockerignore"

_NAME = re.compile(r"\b(?:backpack_recorder|process)_[a-z_]+\b")
_SERIES = re.compile(r"_(?:bucket|sum|count)$")


def tool(name: str) -> str:
    """Where a program is; skips where it is not installed."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def checked(*command: str | Path) -> str:
    """What a program says that has to be content."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def dashboard() -> dict[str, Any]:
    """The Grafana dashboard."""
    value = json.loads((DEPLOY / "dashboard.json").read_text())
    assert isinstance(value, dict)
    return value


def queries() -> Iterator[str]:
    """All that it asks for."""
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for variable in dashboard()["templating"]["list"]:
        yield variable["query"]


def metrics_in(text: str) -> set[str]:
    """Metrics that are named in a text; a series of a histogram counts as that."""
    return {_SERIES.sub("", name) for name in _NAME.findall(text)}
