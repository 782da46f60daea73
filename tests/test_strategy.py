"""The strategy of docs/: the same file, live and on the recording of that run, decides the same."""

import json
import subprocess
import sys
from pathlib import Path

STRATEGY = Path(__file__).resolve().parents[1] / "docs" / "strategy.py"
VENUE = ("-m", "tests.venue", "--feed", "sim", "--speed", "20", "--seconds", "30")


def test_same_decisions_live_and_replayed(tmp_path: Path) -> None:
    """Line for line, and there are some."""
    data = str(tmp_path / "tape")
    with subprocess.Popen(
        [sys.executable, *VENUE], stdout=subprocess.PIPE, text=True, cwd=STRATEGY.parents[1]
    ) as venue:
        assert venue.stdout is not None
        ready = json.loads(venue.stdout.readline())
        urls = ["--ws-url", ready["ws"], "--rest-url", ready["rest"]]
        live = _run("live", data, "--seconds", "4", *urls)
        venue.terminate()
        venue.communicate()
    replayed = _run("replay", data)
    assert len(live) > 5
    assert live == replayed


def _run(*arguments: str) -> list[str]:
    result = subprocess.run(
        [sys.executable, "-W", "error", str(STRATEGY), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()
