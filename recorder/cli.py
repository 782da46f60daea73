"""The command ``bp-record``."""

import asyncio
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from recorder.cli_config import Rereadable, load_config, rereading
from recorder.cli_ctl import ctl
from recorder.commands import carrier
from recorder.handing import COMMAND
from recorder.handover import Handover
from recorder.log import SAY, Say, say_json
from recorder.messages import Level, Message
from recorder.options import settings_of
from recorder.recorder import NO_RING, Recorder
from recorder.reload import Reloader, Reread
from recorder.settings import MOST_CONNECTIONS, REST_URL, RING_AFTER_S, WS_URL, Settings
from recorder.status_server import watched
from recorder.summary import exit_code, forecast, print_summary
from recorder.view import View
from schemas.errors import BackpackError, UsageError
from tape.console import FAILED, LOSSES, USAGE
from tape.version import code_version


@click.group(cls=Rereadable, invoke_without_command=True, subcommand_metavar="[ctl ...]")
@click.option(
    "--topics",
    "-t",
    multiple=True,
    metavar="TOPIC[,TOPIC...]",
    help="Topic to record, as depth.ETH_USDC, or a pattern, as 'trade.*_PERP'. Repeatable.",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("data/tape"),
    show_default=True,
    help="Folder of the recording; created if missing.",
)
@click.option("--ws-url", default=WS_URL, show_default=True, help="Websocket URL of the exchange.")
@click.option("--rest-url", default=REST_URL, show_default=True, help="REST URL of the exchange.")
@click.option(
    "--connections",
    type=click.IntRange(1, MOST_CONNECTIONS),
    metavar="N",
    default=1,
    show_default=True,
    help="Record over N connections at once (at most 8): what one of them loses, another brings."
    " Each message is stored once, with the arrival times of its copies.",
)
@click.option(
    "--duration", metavar="TIME", help="Stop after this long: 30s, 10m, 8h, 7d. Default: never."
)
@click.option(
    "--roll",
    metavar="TIME",
    show_default="1h",
    help="Start a new segment and seal the old one this often; 1h: on the full hour.",
)
@click.option(
    "--memory",
    metavar="SIZE",
    default="256MB",
    show_default=True,
    help="How much to hold in memory while the disk does not accept writes. Beyond that, frames are"
    " dropped and counted.",
)
@click.option(
    "--min-free",
    metavar="SIZE",
    help="Stop cleanly when the disk has less free space than this. Default: never.",
)
@click.option(
    "--audit-every",
    metavar="TIME",
    help="Compare each live book with a fresh snapshot this often, as 10m. At most 2.5 snapshots"
    " are requested per second, so 200 books take at least 80s. Default: never.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="AGE|SIZE",
    help="After each sealing, delete segments older than this (90d), or the oldest beyond this"
    " total size (500GB); repeatable. Segments that are not certified are kept. See bp-tape prune"
    " --help. Default: keep everything.",
)
@click.option(
    "--keys",
    metavar="FILE",
    help="TOML file with api_key and api_secret, mode 600, for account topics. Re-read for each"
    " request. Default: BP_API_KEY and BP_API_SECRET in the environment.",
)
@click.option(
    "--ring",
    metavar="TIME",
    help="Flight recorder: keep only the last TIME (60s, say) in memory, and write it to disk when"
    " something happens: a gap, a crossed book, a crash, bp-record ctl dump.",
)
@click.option(
    "--ring-after",
    metavar="TIME",
    show_default=f"{RING_AFTER_S:g}s",
    help="With --ring: how much to write of what follows the event; may be 0s.",
)
@click.option(
    "--shard",
    metavar="I/N",
    help="Split the markets among N recorders; this is number I, as 2/4. It records only its own"
    " markets (chosen by a hash of their names), into the folder shard-I-of-N below --data.",
)
@click.option(
    "--markets-every",
    metavar="TIME",
    default="5m",
    show_default=True,
    help="How often to re-read the market list, so that patterns pick up new markets; or never.",
)
@click.option(
    "--silence",
    metavar="act|tell|off",
    default="act",
    show_default=True,
    help="What to do about dead topics (silent although they should not be). act: subscribe again,"
    " then reconnect; tell: only report and record it; off: do not check.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    help="Serve /metrics (Prometheus) and /healthz on this port. Default: off.",
)
@click.option(
    "--metrics-host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Address to serve them on. There is no authentication: keep it private.",
)
@click.option(
    "--take-over",
    is_flag=True,
    help="Take over from the recorder running on this folder, for upgrades without a gap: continue"
    " its session, after which it exits. If none is running, start normally.",
)
@click.option(
    "--log-format",
    type=click.Choice(tuple(SAY)),
    default="text",
    show_default=True,
    help="Format of messages on stderr: text, or one JSON object per line.",
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=load_config,
    help="TOML file with the options above (topics, data, ws_url, ..). SIGHUP re-reads it.",
)
@click.version_option(code_version())
@click.pass_context
def record(context: click.Context, /, topics: tuple[str, ...], data: Path, **texts: Any) -> None:
    """Record the Backpack exchange: every frame byte for byte, and normalized rows.

    \b
    Examples:
      bp-record --topics depth.ETH_USDC
      bp-record -t depth.SOL_USDC,trade.SOL_USDC -t 'kline.1m.*_PERP' --duration 8h
      bp-record -t '*.SOL_USDC'          ticker, depth, bookTicker, trade of a market
      bp-record -t 'depth.*' --roll 15m  all books, sealed every 15 minutes
      bp-record -t 'account.*,depth.SOL_USDC' --keys ~/.backpack.toml
      bp-record -t 'depth.*' --ring 60s  only what surrounds a gap or crossed book
      bp-record -t 'depth.*' --shard 2/4 number 2 of 4 that split the markets
      bp-record -t 'depth.*' --metrics-port 9466 --log-format json
      bp-record -t 'depth.*' --connections 2     no gap when one connection is lost
      bp-record --config recorder.toml --take-over        upgrade without a gap
      bp-record ctl --help               control a running recorder

    \b
    Topics:
      ticker depth depth.200ms depth.600ms depth.1000ms bookTicker trade markPrice
      openInterest liquidation externalTicker kline.1m (and other intervals), each
      followed by a market; liquidation alone for all markets; stockPrice and
      stockIndicativeQuote followed by a stock ticker.
      Of your account: account.orderUpdate account.positionUpdate account.rfqUpdate,
      alone or followed by a market; account.balanceUpdate; account.* for all four.
      They need an API key, from a file (--keys) or from the environment.

    In patterns, * matches any text and ? one character. Patterns pick up markets that are listed
    while recording, and drop those that close.

    Ctrl-C stops: it flushes, seals, and prints a summary.

    \b
    Exit codes:
      0  everything is certified, or another process has taken over
      1  failed
      2  invalid request
      3  recorded, but with losses
    """
    if context.invoked_subcommand is not None:
        return
    say = SAY[texts["log_format"]]
    try:
        code = asyncio.run(_record(settings_of(topics, data, texts), say, rereading(context)))
    except BackpackError as error:
        if say is not say_json:
            raise
        say(Message(str(error), "failed", Level.ERROR))
        code = USAGE if isinstance(error, UsageError) else FAILED
    raise SystemExit(code)


record.add_command(ctl)


async def _record(settings: Settings, say: Say, reread: Reread | None) -> int:
    console = Console()
    view = View(console, say)
    recorder = Recorder(settings, view.notice)
    recorder.carry = carrier(recorder, {COMMAND: Handover(recorder, view.notice).step})
    stop = asyncio.Event()
    _stop_on_signals(stop, view)
    if reread is not None:
        _reload_on_signal(recorder, Reloader(recorder, reread, view.notice))
    pull = partial(
        view.notice, Message(NO_RING, "no_ring", Level.WARNING)
    )  # by itself the signal would end the process
    if (ring := recorder.ring) is not None:
        view.status = lambda: ring.status
        pull = partial(ring.pull, "SIGUSR1")
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, pull)
    look_ahead = partial(forecast, recorder)
    async with (
        watched(recorder, view.notice),
        view.showing(recorder.tally, recorder.alarm, look_ahead),
    ):
        failure = await _run(recorder, stop)
    print_summary(console, recorder)
    if failure is not None:
        raise failure
    if recorder.program is None:
        raise BackpackError("stopped before anything was recorded")
    return exit_code(recorder)


async def _run(recorder: Recorder, stop: asyncio.Event) -> BackpackError | None:
    """A failure in mid-flow comes back as a value, so that the summary is shown first."""
    try:
        await recorder.run(stop)
    except BackpackError as error:
        if recorder.program is None:
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


def _reload_on_signal(recorder: Recorder, reloader: Reloader) -> None:
    """SIGHUP reads the options again, where it would have stopped the recording otherwise."""
    recorder.reload = reloader.run
    running: set[asyncio.Task[None]] = set()

    async def reloading() -> None:
        try:
            await reloader.run()
        except BackpackError:
            pass  # it was said
        except Exception as error:  # a fault of ours: nobody waits for this task
            text = f"not reloaded: a fault of this program: {type(error).__name__}: {error}"
            reloader.notice(Message(text, "not_reloaded", Level.ERROR))

    def pull() -> None:
        task = asyncio.create_task(reloading())
        running.add(task)
        task.add_done_callback(running.discard)

    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, pull)


def main() -> None:
    """Entry point."""
    record()
