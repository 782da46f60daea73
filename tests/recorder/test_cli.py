"""``bp-record`` as a person or a script meets it: what it refuses, how it stops, what it prints."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM, Signals
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from market.streams import PUBLIC
from recorder.cli import record
from recorder.settings import Patience
from schemas.errors import VenueError
from tests.recorder import plain
from tests.recorder.commands import (
    Ended,
    FarEnd,
    at_work,
    bp_record,
    options,
    venue,
)
from tests.recorder.market import SNAPSHOTS, SOL, bids
from tests.recorder.raw import http, rude
from tests.recorder.runs import Address, Played, Scene, Where, play, running
from tests.venue import Close, Send, Venue, WaitSubscribed

WHOLE, FAILED, USAGE, LOSSES = 0, 1, 2, 3


class Refusal(NamedTuple):
    """A command that cannot be, and what the message must name. Codes: 1 failed, 2 misused."""

    arguments: tuple[str, ...]
    says: tuple[str, ...]
    code: int = USAGE


def topic(name: str, *says: str) -> Refusal:
    """A topic that cannot be: the message has it as it was written."""
    return Refusal(("-t", name), (f"'{name.rpartition(',')[2]}'", *says))


# Names as in the market list of the simulated venue (tests/simulation/session.py).
TOPICS = [
    topic("depth.SOLUSDC", "nearest: SOL_USDC"),
    topic("dept.SOL_USDC", "nearest: depth"),
    topic("depth.100ms.SOL_USDC", "200ms, 600ms, 1000ms"),
    topic("depth.100ms.*", "200ms, 600ms, 1000ms"),
    topic("depth.5.BTC_USDC_PERP", "200ms, 600ms, 1000ms"),
    topic("kline.7m.SOL_USDC", "5m", "3m", "1m"),
    topic("kline.1M.SOL_USDC", "1m"),
    topic("kline.SOL_USDC", "interval", "1month"),
    topic("kline.1m", "kline.1m.SOL_USDC"),
    topic("kline", "kline.1m.SOL_USDC"),
    topic("kline.x*.SOL_USDC", "interval"),
    topic("depth.MOBILE_USDC", "closed"),
    topic("depth.sol_usdc", "nearest: SOL_USDC"),
    topic("depth.KBONK_USDC_PERP", "nearest: kBONK_USDC_PERP"),
    topic("DEPTH.SOL_USDC", "nearest: depth"),
    topic("bookticker.SOL_USDC", "nearest: bookTicker"),
    topic("depth", "depth.SOL_USDC"),
    topic("trade.", "trade.SOL_USDC"),
    topic("depth.NOPE*", "10 markets"),
    topic("depth.MOBILE*", "10 markets"),
    topic("stockPrice.*", "name each one"),
    topic("account.orderUpdate", "BP_API_KEY", "--keys FILE"),
    topic("trade.SOL_USDC,trade.SOLUSDC", "nearest: SOL_USDC"),
    topic("*.SOLUSDC", "nearest: SOL_USDC"),
]
OPTIONS = [
    Refusal((), ("--topics depth.ETH_USDC",)),
    Refusal(("-t", " , "), ("--topics depth.ETH_USDC",)),
    Refusal(("-t", SOL, "--duration", "5"), ("'5'", "30s, 10m, 1h or 7d")),
    Refusal(("-t", SOL, "--duration", "-5s"), ("'-5s'", "30s, 10m, 1h or 7d")),
    Refusal(("-t", SOL, "--duration", "0s"), ("'0s'", "30s, 10m, 1h or 7d")),
    Refusal(("-t", SOL, "--roll", "1y"), ("'1y'", "30s, 10m, 1h or 7d")),
    Refusal(("-t", SOL, "--roll", "100ms"), ("100ms", "is the least")),
    Refusal(("-t", SOL, "--roll", ""), ("''", "30s, 10m, 1h or 7d")),
    Refusal(("-t", SOL, "--ring", "100ms"), ("--ring 100ms", "1s at least")),
    Refusal(("-t", SOL, "--ring", "60s", "--roll", "1h"), ("--roll", "--ring", "take one")),
    Refusal(("-t", SOL, "--ring", "60s", "--ring-after", "soon"), ("'soon'", "30s, 10m")),
    Refusal(("-t", SOL, "--ring-after", "5s"), ("--ring-after", "as --ring 60s")),
    Refusal(("-t", SOL, "--memory", "lots"), ("'lots'", "500MB, 1GB or 1.5GiB")),
    Refusal(("-t", SOL, "--memory", "1MB"), ("--memory 1MB", "64.0 MB at least")),
    Refusal(("-t", SOL, "--min-free", "10"), ("'10'", "500MB, 1GB or 1.5GiB")),
    Refusal(("-t", SOL, "--min-free", "0GB"), ("'0GB'", "500MB, 1GB or 1.5GiB")),
    Refusal(("-t", SOL, "--audit-every", "10"), ("'10'", "30s, 10m, 1h or 7d")),
    Refusal(("-t", SOL, "--metrics-port", "x"), ("--metrics-port", "'x'")),
    Refusal(("-t", SOL, "--metrics-port", "65536"), ("--metrics-port", "65536")),
    Refusal(("-t", SOL, "--log-format", "xml"), ("'xml'", "text", "json")),
    Refusal(("-t", SOL, "--keep", "90"), ("'90'", "90d, 12h, 500GB")),
    Refusal(("-t", SOL, "--markets-every", "5"), ("'5'", "30s, 10m, 1h or 7d")),
    Refusal(("-t", SOL, "--silence", "shout"), ("--silence shout", "act, tell, off")),
    Refusal(("-t", SOL, "--ws-url", "http://x"), ("'http://x'", "wss://")),
    Refusal(("-t", SOL, "--ws-url", "wss://"), ("'wss://'", "wss://")),
    Refusal(("-t", SOL, "--ws-url", "ws://host:port"), ("'ws://host:port'", "wss://<host>")),
    Refusal(("-t", SOL, "--ws-url", "ws://:80"), ("'ws://:80'", "wss://<host>")),
    Refusal(("-t", SOL, "--ws-url", "ws://h:99999"), ("'ws://h:99999'", "wss://<host>")),
    Refusal(("-t", SOL, "--rest-url", "api.backpack.exchange"), ("https://",)),
    Refusal(("-t", SOL, "--rest-url", "http://[::1"), ("'http://[::1'", "https://<host>")),
    Refusal(("-t", SOL, "--rate", "5"), ("--rate",)),
    Refusal((SOL,), (SOL,)),
]
CONFIGS = {
    "broken.toml": ('topics = ["depth.SOL_USDC"', ("cannot be read",)),
    "not_text.toml": ("\udcff", ("cannot be read",)),
    "unknown.toml": ('topic = "depth.SOL_USDC"', ("unknown topic", "topics, data, ws_url")),
    "no_list.toml": ('topics = "depth.SOL_USDC"', ("topics is a list",)),
    "no_texts.toml": ("topics = [1]", ("topics is a list",)),
    "number.toml": ('topics = ["depth.SOL_USDC"]\nduration = 5', ("duration is a text", "not 5")),
    "path.toml": ('topics = ["depth.SOL_USDC"]\ndata = 5', ("data is a text", "not 5")),
    "min_free.toml": ('topics = ["depth.SOL_USDC"]\nmin_free = 5', ("min_free is a text", "not 5")),
    "port.toml": ("topics = []\nmetrics_port = true", ("metrics_port is a number",)),
    "links.toml": ('topics = []\nconnections = "2"', ("connections is a number", "'2'")),
    "keep.toml": ('topics = ["depth.SOL_USDC"]\nkeep = 5', ("keep is a text, or a list",)),
    "table.toml": ('topics = ["depth.SOL_USDC"]\n[roll]\na = 1', ("roll is a text",)),
}


def never(refusal: Refusal, data: Path) -> Refusal:
    """The same, for a folder that is never to become a recording."""
    return refusal._replace(arguments=("--data", str(data), *refusal.arguments))


def refusals(folder: Path) -> list[Refusal]:
    """All of them; those about files need a folder."""
    (folder / "file").write_text("in the way")
    for name, (text, _) in CONFIGS.items():
        (folder / name).write_bytes(text.encode(errors="surrogateescape"))
    configs = [Refusal(("--config", str(folder / n)), (n, *s)) for n, (_, s) in CONFIGS.items()]
    return [
        *(never(refusal, folder / f"never{n}") for n, refusal in enumerate(TOPICS + OPTIONS)),
        *configs,
        Refusal(("--config", str(folder / "missing.toml")), ("missing.toml", "No such file")),
        Refusal(("--config", str(folder)), ("is a directory",)),
        Refusal(("-t", SOL, "--data", str(folder / "file")), ("file", "is a file")),
        Refusal(("-t", SOL, "--data", str(folder / "file" / "below")), ("file",), FAILED),
        Refusal(("-t", SOL, "--data", "/proc/tape"), ("/proc/tape",), FAILED),
    ]


def check_refused(refusal: Refusal, ended: Ended) -> None:
    """One clear message on stderr, the right code, and nothing else."""
    assert "Traceback" not in ended.err, ended.err
    assert ended.code == refusal.code, (refusal, ended)
    assert ended.out == ""
    assert [text for text in refusal.says if text not in ended.err] == [], ended.err
    assert re.search(r"^error: |^Error: ", ended.err, re.MULTILINE), ended.err


def in_process(*arguments: str) -> Ended:
    """The command without a process of its own, which would take half a second each."""
    result = CliRunner().invoke(record, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result
    return Ended(result.exit_code, result.stdout, result.stderr)


def test_what_cannot_be_is_refused_by_name_before_connecting(tmp_path: Path) -> None:
    """Not one of them opens a websocket, or leaves so much as a journal."""
    with venue("--feed", "sim", "--seconds", "1") as far_end:
        urls = ("--ws-url", far_end.ws_url, "--rest-url", far_end.rest_url, "--duration", "2s")
        for refusal in refusals(tmp_path):
            check_refused(refusal, in_process(*urls, *refusal.arguments))
        for refusal in refusals(tmp_path)[:: len(TOPICS)]:
            check_refused(refusal, bp_record(*urls, *refusal.arguments))
        assert far_end.end()["connections"] == 0
    assert not list(tmp_path.rglob("journal")) + list(tmp_path.rglob("manifest"))


LISTS = {  # of markets: the HTTP reply, and what the message has to name
    "html": (http("200 OK", b"<html>Sign in</html>", "text/html"), "--rest-url"),
    "another shape": (http("200 OK", b'{"markets":[]}'), "--rest-url"),
    "another list": (http("200 OK", b'["SOL_USDC"]'), "--rest-url"),
    "no UTF-8": (http("200 OK", b'[{"symbol":"\xff"}]'), "--rest-url"),
    "too deep": (http("200 OK", b"[" * 100_000), "--rest-url"),
    "no markets": (http("200 OK", b"[]"), "lists no markets"),
    "refused": (http("403 Forbidden", b"go away"), "HTTP 403"),
    "down": (http("503 Service Unavailable", b""), "HTTP 503"),
    "silent": (b"", "Server disconnected"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "is the address right"),
}
HANDSHAKES = {
    "forbidden": (http("403 Forbidden", b"go away"), "HTTP 403"),
    "plain page": (http("200 OK", b"<html>hello</html>", "text/html"), "HTTP 200"),
    "no websocket": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "no websocket at"),
    "cut": (b"", "no websocket at"),
}
MARKETS = json.dumps([{"symbol": "SOL_USDC"}]).encode()
AS_COMMANDS = ("html", "forbidden")  # a process each; the others in this one


class Failure(NamedTuple):
    """How a recorder failed: what it said, and who was asked for what."""

    said: str
    targets: list[str]


def failing(name: str, answer: Callable[[str], bytes]) -> Scene[Failure]:
    """Record from a venue that answers like this, until it is given up."""

    async def scene(folder: Path) -> Failure:
        async with rude(answer) as far_end:
            if name not in AS_COMMANDS:
                with pytest.raises(VenueError) as told:
                    await record_until_it_fails(far_end, folder)
                return Failure(str(told.value), far_end.targets)
            ended = await asyncio.to_thread(bp_record, *options(far_end, folder, SOL))
        assert (ended.code, "Traceback" in ended.err) == (FAILED, False), ended
        *_, last = ended.err.splitlines()
        assert last.startswith("error: ")
        return Failure(last, far_end.targets)

    return scene


async def record_until_it_fails(address: Address, folder: Path, **settings: Any) -> None:
    async with running(address, folder, SOL, **settings) as run:
        await run.until(lambda: False)


def says(reply: bytes) -> Callable[[str], bytes]:
    """The same to everybody."""
    return lambda _: reply


def no_websocket(reply: bytes) -> Callable[[str], bytes]:
    """A market list for those who want one, and this for those who want a websocket."""
    return lambda target: reply if target == "websocket" else http("200 OK", MARKETS)


async def nobody(folder: Path) -> Failure:
    """Nobody listens on that port."""
    with pytest.raises(VenueError) as told:
        await record_until_it_fails(Where("ws://127.0.0.1:9", "http://127.0.0.1:9"), folder)
    return Failure(str(told.value), [])


async def hanging(folder: Path) -> Failure:
    """The socket opens, and that is all."""

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Venue(snapshots=SNAPSHOTS) as far_end:
        address = Where(f"ws://127.0.0.1:{port}", far_end.rest_url)
        with pytest.raises(VenueError) as told:
            await record_until_it_fails(address, folder, patience=Patience(opening=0.1))
    return Failure(str(told.value), [])


async def cut_short(folder: Path) -> Failure:
    """It is stopped before the venue is given up: still nothing was recorded."""

    def stop(*arguments: str) -> Ended:
        with at_work(*arguments) as recording:
            recording.hear("no websocket at")
            recording.interrupt()
            return recording.end()

    async with rude(no_websocket(HANDSHAKES["forbidden"][0])) as far_end:
        ended = await asyncio.to_thread(stop, *options(far_end, folder, SOL))
    assert ended.code == FAILED, ended
    return Failure(ended.err.splitlines()[-1], far_end.targets)


SCENES: dict[str, Scene[Failure]] = {
    **{name: failing(name, says(reply)) for name, (reply, _) in LISTS.items()},
    **{name: failing(name, no_websocket(reply)) for name, (reply, _) in HANDSHAKES.items()},
    **{s.__name__: s for s in (nobody, hanging, cut_short)},
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played[Failure]:
    """All of them, side by side."""
    return play(tmp_path_factory.mktemp("failures"), SCENES)


@pytest.mark.parametrize("name", LISTS)
def test_a_venue_without_a_market_list_is_named(played: Played[Failure], name: str) -> None:
    """Nobody connects, nothing is recorded. What is an answer is not asked for again."""
    failure, says = played.outcome(name), LISTS[name][1]
    assert says in failure.said
    tries = 3 if LISTS[name][0][9:12] != b"200" else 1
    assert failure.targets == ["/api/v1/markets"] * tries
    assert not (played.folder(name) / "journal").exists()


@pytest.mark.parametrize("name", [*HANDSHAKES, "cut_short"])
def test_a_venue_without_a_websocket_is_named(played: Played[Failure], name: str) -> None:
    """Given up after three tries, or when it is stopped before. What there is, the market list, is
    sealed all the same."""
    failure, folder = played.outcome(name), played.folder(name)
    says = HANDSHAKES["forbidden" if name == "cut_short" else name][1]
    assert "no websocket at ws://127.0.0.1:" in failure.said
    assert says in failure.said
    markets, *tries = [target for target in failure.targets if target != "/api/v1/time"]
    assert (markets, {*tries}) == ("/api/v1/markets", {"websocket"})
    assert len(tries) < 3 if name == "cut_short" else len(tries) == 3
    assert plain.journals(folder) == []
    assert [m["verdict"] for m in plain.manifests(folder)] == ["certified"]
    assert plain.payloads(folder, "reply") == [MARKETS]


def test_a_venue_that_is_not_there_is_named(played: Played[Failure]) -> None:
    """Neither its REST, nor a websocket that never answers the handshake."""
    said = played.outcome("nobody").said
    assert "http://127.0.0.1:9/api/v1/markets" in said
    assert "is there a network" in said
    assert "timed out during opening handshake" in played.outcome("hanging").said


def session_head(data: Path) -> dict[str, Any]:
    """What the only session on a tape was asked for."""
    (head,) = plain.payloads(data, "segment")
    return dict(json.loads(head))


def test_the_command_line_wins_over_the_configuration(tmp_path: Path) -> None:
    """All options may stand in a file; what is said on the command line as well counts there."""
    config, ours, theirs = tmp_path / "bp.toml", tmp_path / "ours", tmp_path / "theirs"
    with venue("--feed", "sim", "--seconds", "5") as far_end:
        config.write_text(
            f'topics = ["trade.SOL_USDC", "depth.*_PERP"]\ndata = "{theirs}"\n'
            f'ws_url = "{far_end.ws_url}"\nrest_url = "{far_end.rest_url}"\n'
            'duration = "300ms"\nroll = "1h"\nmemory = "100MB"\nmin_free = "1kB"\n'
            'audit_every = "1m"\nkeep = "9000d"\nsilence = "tell"\nmetrics_port = 0\n'
            "connections = 2\n"
            'metrics_host = "localhost"\nlog_format = "json"\n'
        )
        with at_work("--config", str(config), "-t", SOL, "--data", str(ours)) as recording:
            alone = bp_record("--config", str(config))
            both = recording.end()
    assert (both.code, alone.code) == (WHOLE, WHOLE), (both, alone)
    assert json.loads(alone.err.splitlines()[0])["message"].startswith(
        "metrics at http://localhost:"
    )
    assert session_head(ours)["topics"] == [SOL]
    perps = [t for t in session_head(theirs)["topics"] if t != "trade.SOL_USDC"]
    assert len(perps) == 5
    assert all(t.startswith("depth.") and t.endswith("_PERP") for t in perps)
    assert session_head(theirs)["ws_url"] == far_end.ws_url


def test_help_teaches() -> None:
    """Examples, all kinds of topics, how to stop, and the exit codes."""
    ended = bp_record("--help")
    assert (ended.code, ended.err) == (0, "")
    for channel in PUBLIC:
        assert channel in ended.out
    for text in (
        "bp-record --topics depth.ETH_USDC",
        "Ctrl-C",
        "Exit codes:",
        "--roll",
        "--memory",
        "--min-free",
        "--audit-every",
        "--metrics-port",
        "--log-format",
        "--keep",
        "--silence",
        "[default",
    ):
        assert text in ended.out


@pytest.fixture(scope="module")
def flow() -> Iterator[FarEnd]:
    """A venue with some 600 frames a second for as long as anybody listens."""
    with venue("--feed", "sim", "--seconds", "20", "--speed", "4", "--repeat", "0") as far_end:
        yield far_end


def is_flowing(data: Path) -> bool:
    """Whether frames are on disk."""
    return any(path.stat().st_size > 4_000 for path in data.glob("journal/*"))


def check_summary(ended: Ended, data: Path) -> None:
    """Standard output is tab-separated lines whose numbers are those of the tape."""
    (manifest,) = plain.manifests(data)
    assert all(len(line) > 1 for line in ended.lines), ended.out
    topics = {line[1]: int(line[2]) for line in ended.lines if line[0] == "topic"}
    assert {name: count for name, count in topics.items() if count} == manifest["topics"]
    tables = {line[1]: int(line[2]) for line in ended.lines if line[0] == "table"}
    assert tables == manifest["rows"]
    frames = str(sum(manifest["kinds"].values()))
    size = str(sum(entry["bytes"] for entry in manifest["files"]))
    assert ["gaps", "0"] in ended.lines
    assert ["rejects", "0"] in ended.lines
    verdict = ["verdict", "certified", "1", "segments", frames, "frames", size, "bytes"]
    assert verdict in ended.lines
    assert ["recording", str(data), "session", manifest["session"]] in ended.lines


@pytest.mark.parametrize("by", [SIGINT, SIGTERM, SIGHUP, None])
def test_stopping_in_order(flow: FarEnd, tmp_path: Path, by: Signals | None) -> None:
    """By a signal, or when the time is over: flushed, sealed, certified, told; nothing is left in
    the journal's folder."""
    more = ("--duration", "1s") if by is None else ()
    with at_work(*options(flow, tmp_path, *flow.topics), *more) as recording:
        if by is not None:
            recording.until(lambda: is_flowing(tmp_path))
            recording.interrupt(by)
        ended = recording.end()
    assert ended.code == WHOLE, ended
    assert "Traceback" not in ended.err
    check_summary(ended, tmp_path)
    assert plain.journals(tmp_path) == []
    assert plain.payloads(tmp_path, "close") == [b'{"code":1000,"reason":"","stopped":true}']
    (end,) = plain.frames(tmp_path, "checkpoint")[-1:]
    assert json.loads(end["payload"])["end"] == "stop"


def test_stopping_before_anything_was_recorded(tmp_path: Path) -> None:
    """The market list does not come, and nobody has to wait for it."""

    async def scene() -> Ended:
        asked = asyncio.Event()

        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.set()
            await reader.read()
            writer.close()

        server = await asyncio.start_server(hang, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        address = Where(f"ws://127.0.0.1:{port}", f"http://127.0.0.1:{port}")
        async with server:
            with at_work(*options(address, tmp_path, SOL)) as recording:
                await asyncio.wait_for(asked.wait(), 60)
                recording.interrupt()
                return await asyncio.to_thread(recording.end)

    ended = asyncio.run(scene())
    check_refused(Refusal((), ("stopped before anything was recorded",), FAILED), ended)
    assert not (tmp_path / "journal").exists()


def test_a_second_recorder_on_the_folder_is_refused(flow: FarEnd, tmp_path: Path) -> None:
    """It names the process that is at work, which is not disturbed."""
    with at_work(*options(flow, tmp_path, SOL)) as recording:
        recording.until(lambda: is_flowing(tmp_path))
        second = bp_record(*options(flow, tmp_path, SOL))
        refusal = Refusal((), (str(tmp_path), f"process {recording.pid}"), FAILED)
        check_refused(refusal, second)
        recording.interrupt()
        assert recording.end().code == WHOLE
    assert len(plain.manifests(tmp_path)) == 1


def test_recording_goes_on_when_nobody_reads_what_it_says(tmp_path: Path) -> None:
    """A notice goes into a pipe that is closed at the other end."""

    async def scene() -> None:
        script = [WaitSubscribed(SOL), Close(1012), WaitSubscribed(SOL), *map(Send, bids(11, 3))]
        async with Venue(script, snapshots=SNAPSHOTS) as far_end:
            with at_work(*options(far_end, tmp_path, SOL)) as recording:
                recording.hang_up()
                await asyncio.wait_for(far_end.finished(), 60)
                recording.interrupt()
                assert await asyncio.to_thread(recording.leave) == LOSSES  # an outage

    asyncio.run(scene())
    assert plain.payloads(tmp_path) == [frame.encode() for frame in bids(11, 3)]
    assert plain.manifests(tmp_path)[0]["verdict"] == "certified"
