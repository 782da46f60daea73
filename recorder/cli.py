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
@click.option(
    "--connections",
    type=click.IntRange(1, MOST_CONNECTIONS),
    metavar="N",
    default=1,
    show_default=True,
    help="Record over so many connections at once, 8 at most: what one of them loses, another"
    " brings. Each message is kept once, and of its copies when they came.",
)
@click.option("--duration", metavar="TIME", help="Stop after 30s, 10m, 8h, 7d. Default: never.")
@click.option(
    "--roll",
    metavar="TIME",
    show_default="1h",
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
    "--keep",
    multiple=True,
    metavar="AGE|SIZE",
    help="After each sealing, prune what is older than 90d, or beyond 500GB; repeatable. Segments"
    " that are not certified stay. See bp-tape prune --help. Default: keep all.",
)
@click.option(
    "--keys",
    metavar="FILE",
    help="TOML file with api_key and api_secret, mode 600, for topics of your account. Read again"
    " when a key is refused. Default: BP_API_KEY and BP_API_SECRET of the environment.",
)
@click.option(
    "--ring",
    metavar="TIME",
    help="Flight recorder: keep the last 60s, say, in memory only, and write it when something"
    " happens: a gap, a crossed book, a crash, bp-record ctl dump.",
)
@click.option(
    "--ring-after",
    metavar="TIME",
    show_default=f"{RING_AFTER_S:g}s",
    help="With --ring: what comes so long after that is written too; may be 0s.",
)
@click.option(
    "--shard",
    metavar="I/N",
    help="Share the markets out among N recorders, of which this is number I: record only topics"
    " whose market falls to it by its name, into the folder shard-I-of-N of --data.",
)
@click.option(
    "--markets-every",
    metavar="TIME",
    default="5m",
    show_default=True,
    help="Look this often whether the venue lists other markets, to follow patterns; never: not.",
)
@click.option(
    "--silence",
    metavar="act|tell|off",
    default="act",
    show_default=True,
    help="Topics that say nothing though they ought to: act: subscribe again, then connect anew;"
    " tell: only say so, in the recording too; off: do not look.",
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
    "--take-over",
    is_flag=True,
    help="Go on with the session of the recorder that is at work in this folder, which ends with"
    " that: no frame is missed and no book is lost. Without one, start as ever.",
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
    callback=load_config,
    help="TOML file with the options above (topics, data, ws_url, ..). SIGHUP reads it again.",
)
@click.version_option(code_version())
@click.pass_context
def record(context: click.Context, /, topics: tuple[str, ...], data: Path, **texts: Any) -> None:
    """Record the Backpack exchange: every frame byte for byte, and rows made from them.

    \b
    bp-record --topics depth.ETH_USDC
    bp-record -t depth.SOL_USDC,trade.SOL_USDC -t 'kline.1m.*_PERP' --duration 8h
    bp-record -t '*.SOL_USDC'          ticker, depth, bookTicker, trade of one market
    bp-record -t 'depth.*' --roll 15m  all books, sealed every 15 minutes
    bp-record -t 'account.*,depth.SOL_USDC' --keys ~/.backpack.toml
    bp-record -t 'depth.*' --ring 60s  the minute before each gap or crossed book, and 10s more
    bp-record -t 'depth.*' --shard 2/4  the second of four that share the markets
    bp-record -t 'depth.*' --metrics-port 9466 --log-format json
    bp-record -t '*.SOL_USDC' --connections 2   no gap when one connection is lost

    \b
    Topics: ticker depth depth.200ms depth.600ms depth.1000ms bookTicker kline.1m (and other
    intervals) trade markPrice openInterest liquidation externalTicker, each with a market;
    stockPrice and stockIndicativeQuote with a stock ticker; liquidation alone for all markets.
    Of your account: account.orderUpdate account.positionUpdate account.rfqUpdate, alone or with
    a market; account.balanceUpdate; account.* for all four. They take a key, out of a file
    (--keys) or the environment.
    In patterns, * stands for any text and ? for one character. They pick up markets that are
    listed while recording, and drop those that close.

    \b
    bp-record --config recorder.toml --take-over   a new version takes over, without a gap
    bp-record ctl --help               change what is recorded, pause, roll, ask how it is doing

    Stop it with Ctrl-C: it flushes, seals, and says what it has. Exit code 0: all is certified, or
    another process has taken over; 1: failed; 2: asked for something that cannot be; 3: recorded,
    but with losses.
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
