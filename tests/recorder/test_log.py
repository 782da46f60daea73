"""``bp-record --log-format json``: what is said on stderr, for programs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from recorder.log import say_json, say_text
from recorder.messages import Level, Message
from recorder.stamp import now
from recorder.view import View
from tests.recorder import plain
from tests.recorder.commands import Ended, at_work, options
from tests.recorder.market import SNAPSHOTS, SOL, bid
from tests.recorder.scrape import Scraped, scrape
from tests.venue import Close, Do, Send, Venue, WaitSubscribed

LOSSES = 3


def test_a_line_says_when_how_bad_and_what(capfd: pytest.CaptureFixture[str]) -> None:
    """Then its figures. What has nothing to tell is a notice."""
    before = now().ts_recv // 1_000_000
    say_json(Message("it is\nso", "that", Level.ERROR, bytes=7, reason='"'))
    say_json("plain")
    out, err = capfd.readouterr()
    first, second = err.splitlines()
    line = json.loads(first)
    assert list(line) == ["ts", "level", "event", "message", "bytes", "reason"]
    moment = datetime.strptime(line.pop("ts"), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert before <= round(moment.timestamp() * 1_000) <= now().ts_recv // 1_000_000
    figures = {"bytes": 7, "reason": '"'}
    assert line == {"level": "error", "event": "that", "message": "it is\nso", **figures}
    plain_line = json.loads(second)
    told = [plain_line[key] for key in ("level", "event", "message")]
    assert (told, out) == (["info", "notice", "plain"], "")


def test_what_a_venue_put_into_a_line_costs_no_figure(capfd: pytest.CaptureFixture[str]) -> None:
    """On its way to people, who get it on one line."""
    view = View(Console(), say_json)
    view.notice(Message("the venue says: a\nb", "error_reply", Level.WARNING, code=7))
    line = json.loads(capfd.readouterr().err)
    told = [line[key] for key in ("level", "event", "message", "code")]
    assert told == ["warning", "error_reply", "the venue says: a\\nb", 7]


def test_who_does_not_read_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are lost then; once it reads on, there are lines again."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        for number in range(10_000):  # more than a pipe holds
            say_text(f"{number:09d}")
        os.set_blocking(reading, False)
        read = reader.read().split()
        assert read == [b"%09d" % number for number in range(len(read))]
        assert 100 < len(read) < 10_000
        say_text("again")
        assert reader.read() == b"again\n"


def test_a_command_that_is_watched(tmp_path: Path) -> None:
    """It says where its metrics are, and what happens, all as JSON; its summary is as ever."""

    async def scene() -> tuple[str, Scraped, Ended]:
        again = asyncio.Event()

        async def wait(_: Venue) -> None:
            await again.wait()

        script = [
            *[WaitSubscribed(SOL), Send(bid(11)), Do(wait), Close(1012, "maintenance")],
            *[WaitSubscribed(SOL), Send(bid(12))],
        ]
        async with Venue(script, snapshots=SNAPSHOTS) as far_end:
            more = ("--metrics-port", "0", "--log-format", "json")
            with at_work(*options(far_end, tmp_path, SOL), *more) as recording:
                line = await asyncio.to_thread(recording.hear, "serving")
                again.set()
                await far_end.finished()
                said = await asyncio.to_thread(scrape, json.loads(line)["port"])
                recording.interrupt()
                return line, said, await asyncio.to_thread(recording.end)

    line, said, ended = asyncio.run(scene())
    assert ended.code == LOSSES, ended
    assert said.value("connections_total") == 2
    lines = [json.loads(text) for text in (line, *ended.err.splitlines())]
    assert all(list(one)[:4] == ["ts", "level", "event", "message"] for one in lines)
    events = [one["event"] for one in lines]
    if events[-1] == "sealing":  # where it has not begun to yet
        events.pop()
    assert events == ["serving", "connection_closed", "stopping", "connection_closed"]
    lost, ours = lines[1], lines[3]
    assert (lost["level"], lost["conn"], lost["code"]) == ("warning", 1, 1012)
    assert (lost["reason"], ours["level"]) == ("maintenance", "info")
    assert ["recording", str(tmp_path), "session", plain.manifests(tmp_path)[0]["session"]] in (
        ended.lines
    )
