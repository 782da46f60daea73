"""A real Prometheus scrapes a recorder, with the configuration that we give to people."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from recorder.settings import Listen
from recorder.status_server import watched
from tests.deploy import ALERTS, SCRAPING, tool
from tests.recorder.commands import wait_until
from tests.recorder.market import SNAPSHOTS, SOL, bid, bids
from tests.recorder.runs import running
from tests.recorder.scrape import get
from tests.venue import Send, Venue, WaitRequest, WaitSubscribed


def free_port() -> int:
    """One that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def prometheus(folder: Path, target: int) -> Iterator[int]:
    """It scrapes this port often; the port of its own API."""
    program, port = tool("prometheus"), free_port()
    text = SCRAPING.read_text()
    assert text.count("15s") == 2
    text = text.replace("15s", "200ms").replace("9466", str(target))
    (folder / "prometheus.yml").write_text(text)
    (folder / ALERTS.name).write_text(ALERTS.read_text())
    arguments = {
        "config.file": folder / "prometheus.yml",
        "storage.tsdb.path": folder / "data",
        "web.listen-address": f"127.0.0.1:{port}",
    }
    command = [program, *(f"--{name}={value}" for name, value in arguments.items())]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log, stdout=log)
        try:
            yield port
        finally:
            process.terminate()
            process.wait()


def answer(port: int, path: str) -> Any:
    """What its API says; None while it does not."""
    try:
        page = get(port, f"/api/v1/{path}")
    except OSError:
        return None
    return json.loads(page.body)["data"] if page.status == 200 else None


def query(port: int, text: str) -> dict[str, float]:
    """The values of a query, by channel."""
    data = answer(port, f"query?query={quote(text)}") or {"result": []}
    return {one["metric"].get("channel", ""): float(one["value"][1]) for one in data["result"]}


def look(folder: Path, port: int) -> dict[str, Any]:
    """What Prometheus knows of a recorder that has 20 frames of depth."""
    with prometheus(folder, port) as api:
        frames = "backpack_recorder_frames_total"
        wait_until(lambda: query(api, frames).get("depth") == 20)
        return {
            "up": query(api, "up"),
            "lag": query(api, "backpack_recorder_lag_seconds_count"),
            "rules": answer(api, "rules"),
            "targets": answer(api, "targets"),
        }


def test_prometheus_scrapes_a_recorder(tmp_path: Path) -> None:
    """Its answers are our counts; it knows all our rules, and none of them has trouble."""
    tool("prometheus")
    script = [WaitSubscribed(SOL), Send(bid(11)), WaitRequest("/api/v1/depth")]
    far_end = Venue([*script, *map(Send, bids(12, 19))], snapshots=SNAPSHOTS)

    async def scene() -> dict[str, Any]:
        here = Listen("127.0.0.1", 0)
        async with (
            far_end,
            running(far_end, tmp_path / "tape", SOL, metrics=here) as run,
            watched(run.recorder) as port,
        ):
            assert port is not None
            await run.until(lambda: run.last_id("SOL_USDC") == 30)
            return await asyncio.to_thread(look, tmp_path, port)

    known = asyncio.run(scene())
    assert known["up"] == {"": 1}
    assert known["lag"]["depth"] > 0
    (target,) = known["targets"]["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    (group,) = known["rules"]["groups"]
    assert len(group["rules"]) == ALERTS.read_text().count("- alert: ")
    assert {rule["health"] for rule in group["rules"]} <= {"ok", "unknown"}
