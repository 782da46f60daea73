"""The command ``bp-record``."""

import asyncio
import os
import signal
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from recorder.log import SAY, Say, say_json
from recorder.messages import Level, Message
from recorder.quantities import octets, pretty_size
from recorder.recorder import Recorder
from recorder.settings import REST_URL, WS_URL, Listen, Settings, as_url, seconds
from recorder.status_server import watched
from recorder.summary import exit_code, print_summary
from recorder.view import View
from schemas.errors import BackpackError, ConfigError, UsageError
from tape.console import FAILED, LOSSES, USAGE, Command
from tape.version import code_version

Value = TypeVar("Value")

SHORTEST_ROLL_S = 1.0

LEAST_MEMORY = 64_000_000  # bytes: the largest frame has room in it

_OPTIONS = (
    *("topics", "data", "ws_url", "rest_url", "duration", "roll"),
    *("memory", "min_free", "audit_every", "metrics_port", "metrics_host", "log_format"),
)


def _load_config(context: click.Context, option: click.Option, path: Path | None) -> None:
    """Options from a TOML file become defaults, so that the command line wins."""
    del option
    if path is None:
        return
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"configuration {path} cannot be read: {error}") from None
    if unknown := set(values) - set(_OPTIONS):
        raise ConfigError(
            f"configuration {path}: unknown {', '.join(sorted(unknown))};"
            f" there are {', '.join(_OPTIONS)}"
        )
    for name, value in values.items():
        if name == "topics" and not _is_texts(value):
            raise ConfigError(f'configuration {path}: topics is a list, as in ["depth.SOL_USDC"]')
        if name == "metrics_port" and type(value) is not int:
            raise ConfigError(f"configuration {path}: metrics_port is a number, not {value!r}")
        if name not in ("topics", "metrics_port") and not isinstance(value, str):
            raise ConfigError(f"configuration {path}: {name} is a text in quotes, not {value!r}")
    context.default_map = values


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


@click.command(cls=Command)
@click.option(
    "--topics",
    "-t",
    multiple=True,
    metavar="TOPIC[,TOPIC...]",
    help="What to record: depth.ETH_USDC, or a pattern such as 'trade.*_PERP'. Repeatable.",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("data/tape"),
    show_default=True,
    help="Folder of the recording; made if it is not there.",
)
@click.option("--ws-url", default=WS_URL, show_default=True, help="Websocket of the venue.")
@click.option("--rest-url", default=REST_URL, show_default=True, help="REST of the venue.")
@click.option("--duration", metavar="TIME", help="Stop after 30s, 10m, 8h, 7d. Default: never.")
@click.option(
    "--roll",
    metavar="TIME",
    default="1h",
    show_default=True,
    help="Seal a segment this often, on the full hour for 1h.",
)
@click.option(
    "--memory",
    metavar="SIZE",
    default="256MB",
    show_default=True,
    help="What may be held while the disk does not take it; then frames are shed, and counted.",
)
@click.option(
    "--min-free",
    metavar="SIZE",
    help="Stop early and in order when the disk has less room than this. Default: never.",
)
@click.option(
    "--audit-every",
    metavar="TIME",
    help="Compare each live book with a fresh snapshot this often, as 10m. At most 2.5 a second"
    " are asked for, so 200 books take 80s at least. Default: never.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    help="Serve /metrics for Prometheus, and /healthz, there. Default: not at all.",
)
@click.option(
    "--metrics-host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Address to serve them on. There is no password: keep it private.",
)
@click.option(
    "--log-format",
    type=click.Choice(tuple(SAY)),
    default="text",
    show_default=True,
    help="What is said on stderr: lines for people, or a JSON object a line.",
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_load_config,
    help="TOML file with the options above (topics, data, ws_url, ..).",
)
@click.version_option(code_version())
def record(topics: tuple[str, ...], data: Path, **texts: Any) -> None:
    """Record the Backpack exchange: every frame byte for byte, and rows made from them.

    \b
    bp-record --topics depth.ETH_USDC
    bp-record -t depth.SOL_USDC,trade.SOL_USDC -t 'kline.1m.*_PERP' --duration 8h
    bp-record -t '*.SOL_USDC'          ticker, depth, bookTicker, trade of one market
    bp-record -t 'depth.*' --roll 15m  all books, sealed every 15 minutes
    bp-record -t 'depth.*' --metrics-port 9466 --log-format json

    \b
    Topics: ticker depth depth.200ms depth.600ms depth.1000ms bookTicker kline.1m (and other
    intervals) trade markPrice openInterest liquidation externalTicker, each with a market;
    stockPrice and stockIndicativeQuote with a stock ticker; liquidation alone for all markets.
    In patterns, * stands for any text and ? for one character.

    Stop it with Ctrl-C: it flushes, seals, and says what it has. Exit code 0: all is certified;
    1: failed; 2: asked for something that cannot be; 3: recorded, but with losses.
    """
    say = SAY[texts["log_format"]]
    try:
        code = asyncio.run(_record(_settings(topics, data, texts), say))
    except BackpackError as error:
        if say is not say_json:
            raise
        say(Message(str(error), "failed", Level.ERROR))
        code = USAGE if isinstance(error, UsageError) else FAILED
    raise SystemExit(code)


def _settings(topics: tuple[str, ...], data: Path, texts: dict[str, Any]) -> Settings:
    """The options as one value; raises ConfigError."""
    settings = Settings(
        topics=tuple(name.strip() for text in topics for name in text.split(",") if name.strip()),
        data=data,
        ws_url=as_url(texts["ws_url"] or "", ("ws", "wss")),
        rest_url=as_url(texts["rest_url"] or "", ("http", "https")),
        duration=_optional(seconds, texts["duration"]),
        roll=seconds(texts["roll"] or ""),
        memory=octets(texts["memory"] or ""),
        min_free=_optional(octets, texts["min_free"]),
        audit_every=_optional(seconds, texts["audit_every"]),
        metrics=_listen(texts["metrics_host"], texts["metrics_port"]),
    )
    if settings.roll < SHORTEST_ROLL_S:
        raise ConfigError(f"--roll {texts['roll']}: sealing could not keep up; 1s is the least")
    if settings.memory < LEAST_MEMORY:
        least = pretty_size(LEAST_MEMORY)
        raise ConfigError(f"--memory {texts['memory']}: large frames need {least} at least")
    if not settings.topics:
        raise ConfigError("nothing to record: name a topic, as in --topics depth.ETH_USDC")
    return settings


def _listen(host: str, port: int | None) -> Listen | None:
    return None if port is None else Listen(host, port)


def _optional(read: Callable[[str], Value], text: str | None) -> Value | None:
    return None if text is None else read(text)


async def _record(settings: Settings, say: Say) -> int:
    console = Console()
    view = View(console, say)
    recorder = Recorder(settings, view.notice)
    stop = asyncio.Event()
    _stop_on_signals(stop, view)
    async with watched(recorder) as port, view.showing(recorder.tally, recorder.alarm):
        if port is not None:
            view.notice(_served(settings, port))
        failure = await _run(recorder, stop)
    print_summary(console, recorder)
    if failure is not None:
        raise failure
    if not recorder.topics:
        raise BackpackError("stopped before anything was recorded")
    return exit_code(recorder)


def _served(settings: Settings, port: int) -> Message:
    host = settings.metrics.host if settings.metrics else ""
    where = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    return Message(f"metrics at {where}/metrics, health at {where}/healthz", "serving", port=port)


async def _run(recorder: Recorder, stop: asyncio.Event) -> BackpackError | None:
    """A failure in mid-flow comes back as a value, so that the summary is shown first."""
    try:
        await recorder.run(stop)
    except BackpackError as error:
        if not recorder.topics:
            raise  # nothing was recorded yet
        return error
    return None


def _stop_on_signals(stop: asyncio.Event, view: View) -> None:
    """The first signal stops in order; the second leaves the sealing to the next start."""

    def stopping() -> None:
        if stop.is_set():
            view.leave()
            os._exit(LOSSES)  # everything is flushed, or named as lost by the next start
        text = "stopping: flushing and sealing (again to leave that to the next start)"
        view.notice(Message(text, "stopping"))
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            asyncio.get_running_loop().add_signal_handler(number, stopping)


def main() -> None:
    """Entry point."""
    record()
