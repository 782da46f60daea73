"""The files in ``deploy/`` fit this program, and their own tools accept them."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from recorder.cli import record
from recorder.metric import Type
from recorder.metrics import METRICS
from tests.deploy import (
    ALERT_TESTS,
    ALERTS,
    CONTAINER,
    DEPLOY,
    IGNORED,
    SCRAPING,
    UNIT,
    checked,
    dashboard,
    metrics_in,
    queries,
    tool,
)
from tests.docs import METRICS_PAGE
from tests.shared import ROOT

NAMES = {metric.name for metric in METRICS}


@pytest.mark.parametrize("path", [ALERTS, ALERT_TESTS], ids=lambda path: path.name)
def test_rules_are_about_metrics_that_exist(path: Path) -> None:
    """A name that is misspelt would never raise an alert."""
    named = metrics_in(path.read_text())
    assert named
    assert named <= NAMES


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    """In each of its queries."""
    asked = list(queries())
    assert len(asked) > 20
    assert all(metrics_in(query) <= NAMES for query in asked)
    assert set().union(*map(metrics_in, asked)) > {"backpack_recorder_problem"}
    ids = [panel["id"] for panel in dashboard()["panels"]]
    assert len(ids) == len(set(ids))


def test_only_counters_have_rates() -> None:
    """And histograms."""
    text = ALERTS.read_text() + "\n".join(queries())
    growing = {m.name for m in METRICS if m.type is not Type.GAUGE}
    rated = re.findall(r"\b(?:rate|increase)\(([a-z_]+)", text)
    assert set().union(*map(metrics_in, rated)) <= growing


def test_each_alert_has_a_test_that_raises_it() -> None:
    alerts = set(re.findall(r"- alert: (\w+)", ALERTS.read_text()))
    raised = re.findall(r'\{alertname="(\w+)"\}', ALERT_TESTS.read_text())
    assert alerts == set(raised)


def test_rules_hold_with_their_own_tool() -> None:
    promtool = tool("promtool")
    checked(promtool, "check", "config", SCRAPING)
    assert "SUCCESS" in checked(promtool, "check", "rules", ALERTS)
    assert "SUCCESS" in checked(promtool, "test", "rules", ALERT_TESTS)


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """With the command that is here in the place of the one to be installed."""
    verify = tool("systemd-analyze")
    here = str(Path(sys.executable).parent / "bp-record")
    text = UNIT.read_text()
    assert text.count("/opt/backpack-recorder/bin/bp-record") == 2  # start, reload
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace("/opt/backpack-recorder/bin/bp-record", here))
    assert checked(verify, "verify", unit) == ""


@pytest.mark.parametrize("path", [UNIT, CONTAINER], ids=lambda path: path.name)
def test_options_are_those_of_the_command(path: Path) -> None:
    """Where it starts bp-record."""
    known = {option for parameter in record.params for option in parameter.opts}
    lines = path.read_text().replace("\\\n", " ").splitlines()
    (line,) = (line for line in lines if line.startswith(("ExecStart=", "ENTRYPOINT")))
    used = re.findall(r"(?<!\S)\"?(--[a-z-]+)", line)
    assert {"--data", "--metrics-port", "--log-format"} <= set(used) <= known


def test_a_container_is_built_of_what_is_packed() -> None:
    """And of nothing else that lies about."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {name.partition(".")[0] for name in project["tool"]["setuptools"]["packages"]}
    files = {"pyproject.toml", project["project"]["readme"], "constraints.txt"}
    _, ignored, *allowed, caches = IGNORED.read_text().splitlines()
    assert (ignored, caches) == ("*", "**/__pycache__")
    assert sorted(allowed) == sorted(f"!{name}" for name in packages | files)


def test_ports_are_the_same_everywhere() -> None:
    """What is served is what is scraped, and what is written about it."""
    for path in (UNIT, CONTAINER, SCRAPING, DEPLOY.parent / "docs" / "operations.md"):
        ports = set(re.findall(r"\b9\d{3}\b", path.read_text()))
        assert ports == {"9466"}, path.name


def test_the_page_of_metrics_has_all_of_them() -> None:
    page = METRICS_PAGE.read_text()
    assert all(f"`{metric.name}`" in page for metric in METRICS)
