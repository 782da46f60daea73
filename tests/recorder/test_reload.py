"""SIGHUP: the file of options read again by a real process, with what goes on meanwhile."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from signal import SIGHUP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.catalogue import Catalogue, Market
from recorder.control_client import ask
from recorder.control_socket import NAME, Request
from recorder.memory import Memory
from recorder.options import read_file
from recorder.roll import Roll
from recorder.stamp import Stamp
from recorder.wanted import Wanted
from schemas.errors import ConfigError
from tape.console import WHOLE
from tests.recorder import plain
from tests.recorder.commands import BP_RECORD, ENVIRONMENT, FarEnd, Recording, at_work, venue

NAMES = ("depth.A_USDC", "depth.B_USDC", "trade.A_USDC", "trade.B_USDC")
TEXTS = st.sampled_from((*NAMES, "depth.*", "*.B_USDC"))
LISTED = Catalogue(Market(symbol, None, "Open") for symbol in ("A_USDC", "B_USDC"))


def ctl(data: Path, *words: str) -> str:
    """What ``bp-record ctl`` prints."""
    command: list[str | Path] = [BP_RECORD, "ctl", "--data", str(data), *words]
    run = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    return run.stdout + run.stderr


def write(path: Path, far_end: FarEnd, topics: list[str], *lines: str) -> None:
    """A file of options."""
    fixed = (f'ws_url = "{far_end.ws_url}"', f'rest_url = "{far_end.rest_url}"')
    path.write_text("\n".join([f"topics = {json.dumps(topics)}", *fixed, *lines]) + "\n")


def reloaded(recording: Recording) -> str:
    """What came of a signal."""
    recording.interrupt(SIGHUP)
    return recording.hear(" again; ")


def test_a_signal_reads_the_file_again(tmp_path: Path) -> None:
    """Topics come and go, those that stay have no gap; what the command line says counts before
    the file, what was said by hand stays; a bad file changes nothing."""
    data, config = tmp_path / "tape", tmp_path / "recorder.toml"
    with venue("--feed", "sim", "--seconds", "20", "--speed", "2", "--repeat", "0") as far_end:
        stays, goes, comes, by_hand = far_end.topics[:4]
        write(config, far_end, [stays, goes], 'roll = "2h"')
        quiet = ("--silence", "off")  # a busy machine makes a venue look dead
        arguments = ("--config", str(config), "--data", str(data), "--roll", "3h", *quiet)
        with at_work(*arguments) as recording:
            recording.until((data / NAME).exists)
            assert ask(data, Request("subscribe", [by_hand])) == [by_hand]
            write(config, far_end, [stays, comes], 'roll = "1h"', 'keep = "9d"', 'memory = "99MB"')
            said = reloaded(recording)
            assert f"subscribed: {comes}; unsubscribed: {goes}; changed: memory, keep\n" in said
            write(config, far_end, [stays, comes], 'ring_after = "1s"', "metrics_port = 7")
            recording.interrupt(SIGHUP)
            assert "--ring-after goes with --ring" in recording.hear("not reloaded")
            config.write_text('topics = ["depth.SOL_USDC"]\nroll = "2h"\nmemory = \n')
            recording.interrupt(SIGHUP)
            assert "line 3" in recording.hear("not reloaded")
            write(config, far_end, [stays, comes], "metrics_port = 7", 'log_format = "json"')
            said = ctl(data, "reload")
            assert "changed: memory, keep; needs a restart: metrics_port, log_format" in said
            assert set(ask(data, Request("status"))["wanted"]) == {stays, comes, by_hand}
            recording.interrupt()
            assert recording.end().code == WHOLE
    sent = [json.loads(payload) for payload in plain.payloads(data, "sent")]
    assert [(s["method"], s["params"]) for s in sent][-3:] == [
        ("SUBSCRIBE", [by_hand]),
        ("UNSUBSCRIBE", [goes]),
        ("SUBSCRIBE", [comes]),
    ]
    assert not plain.holes(data)


@given(
    st.lists(TEXTS, min_size=1, max_size=3),
    st.lists(
        st.one_of(
            st.tuples(st.just("give"), st.lists(TEXTS, min_size=1, max_size=3)),
            st.tuples(st.sampled_from(("add", "drop")), st.lists(TEXTS, max_size=3)),
        )
    ),
)
def test_what_was_said_by_hand_stays_said(
    given_first: list[str], said: list[tuple[str, list[str]]]
) -> None:
    """Against a list of all that was said: the file's newest words come before all of it."""
    wanted = Wanted(given_first)
    given_last, by_hand = given_first, []
    for what, texts in said:
        getattr(wanted, what)(texts)
        if what == "give":
            given_last = texts
        else:
            by_hand += [(text, what == "add") for text in texts]
    expected = set()
    for name in NAMES:
        channel, _, symbol = name.partition(".")
        matching = (name, f"{channel}.*", f"*.{symbol}")
        verdicts = [True for text in given_last if text in matching]
        verdicts += [is_wanted for text, is_wanted in by_hand if text in matching]
        if verdicts and verdicts[-1]:
            expected.add(name)
    told = {name for name in wanted.names(LISTED) if name in NAMES}
    assert told == expected


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('roll = "1h"\nrol = "1h"\n', 2),
        ('# roll\n\n roll = 1\ntopics = ["x"]\n', 3),
        ('roll = "1h"\n\n"keep" = [1]\n', 3),
        ("[metrics_port]\n", 1),
        ('roll = "1h"\ndata = "a\\u0000b"\n', 2),
        ('topics = [\n"a",\n"\\u0000"\n]\n', 1),
    ],
)
def test_a_bad_file_is_told_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    """Unknown names, and values of another type."""
    path = tmp_path / "recorder.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"line {line}: "):
        read_file(path)


@pytest.mark.parametrize("text", ["topics = " + "[" * 20_000, "connections = " + "9" * 5_000])
def test_a_file_that_the_parser_cannot_bear_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recorder.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_file(path)


def test_a_bound_and_an_interval_that_change_count_at_once() -> None:
    """Not only after what was measured before."""
    memory = Memory(1_000)
    assert memory.has_room(500)
    memory.change(200)
    assert not memory.has_room(500)
    now = Stamp(7_000_000_000_000, 0)
    roll = Roll(3_600.0, lambda: now)
    roll.begin(0)
    now = Stamp(7_130_000_000_000, 130_000_000_000)
    assert not roll.is_due(0)
    roll.change(60.0)
    assert not roll.is_due(0)
    now = Stamp(7_140_000_000_000, 140_000_000_000)
    assert roll.is_due(0)
