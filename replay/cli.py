"""The command ``bp-replay``."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from time import monotonic
from typing import Any

import click

from replay import cli_serve
from replay.certificate import Outcome
from replay.certify import certify
from replay.cli_serve import ServeOptions, serve
from replay.printer import Printer
from replay.replay import Replay
from replay.report import Report
from replay.speeds import speed_of
from schemas.errors import BackpackError, UsageError
from schemas.frames import Frame
from tape import console
from tape.layout import Tape
from tape.recordings import missing_shards, tapes
from tape.version import code_version

INTERRUPTED = 130  # what shells expect after Ctrl-C
_EXIT_CODES = {
    Outcome.CERTIFIED: console.WHOLE,
    Outcome.FRAMES: console.WHOLE,
    Outcome.RECOVERED: console.LOSSES,
    Outcome.FAILED: console.FAILED,
}
_SEVERITY = (console.WHOLE, console.LOSSES, console.FAILED)
_BLINK = 0.1  # seconds between two moves of the progress bar


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    data: Path
    speed: float | None
    topics: tuple[str, ...]
    start: str | None
    until: str | None
    certify: bool
    output: str
    merge: bool
    generation: int | None
    serving: ServeOptions


def _patterns(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> tuple[str, ...]:
    del context, option
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


@click.command(cls=console.Command)
@click.argument("data", type=click.Path(path_type=Path, file_okay=False), default=Path("data/tape"))
@click.option(
    "--speed",
    metavar="SPEED",
    help="1x as it happened, 10x, 0.5x.. or max.  [default: max; 1x with --serve]",
)
@click.option(
    "--topics",
    "-t",
    multiple=True,
    metavar="PATTERN[,PATTERN...]",
    callback=_patterns,
    help="Topics to output: depth.ETH_USDC, or a pattern, as 'trade.*_PERP'. Repeatable.",
)
@click.option("--from", "start", metavar="TIME", help="Start here, with all books already built.")
@click.option("--until", metavar="TIME", help="Stop before this time.")
@click.option("--certify", is_flag=True, help="Prove that it replays exactly as it happened live.")
@click.option(
    "--output",
    type=click.Choice(["ndjson", "none"]),
    default="ndjson",
    show_default=True,
    help="Rows on stdout, one JSON object per line, or nothing. With --certify: its report, or"
    " nothing.",
)
@click.option("--merge", is_flag=True, help="Play sessions that overlap in time together.")
@click.option(
    "--generation",
    type=click.IntRange(min=0),
    metavar="N",
    help="Use rows of this generation only (see bp-tape seal --again). Default: the current one.",
)
@cli_serve.options
@click.version_option(code_version())
def replay(**options: Any) -> None:
    """Replay a recording made by bp-record: the same frames through the same code.

    DATA is its folder; the default is data/tape. If it holds several shards, all are replayed, or
    served, together.

    \b
    Examples:
      bp-replay --output none                   how fast, and what is in it
      bp-replay -t trade.SOL_USDC               the trades of one market
      bp-replay --speed 10x -t 'depth.*'        ten times as fast as it happened
      bp-replay --from 06:30 --until 06:45      a quarter of an hour of the first day
      bp-replay --certify                       does it replay as it happened live?
      bp-replay --serve 9000 --speed 10x        a local exchange, for any client
      bp-replay | jq 'select(.table == "gap")'  everything known to be missing

    \b
    Times are UTC: 2026-11-22T06:30, 2026-11-22, 06:30:05.25 (on the recording's first
    day), or nanoseconds since 1970. In patterns, * matches any text and ? one
    character; rows about no topic, such as connections, are always output.

    \b
    Each line is one row: "table", then its columns. Prices, quantities and rates are
    exact decimals as strings; times are strings with nanoseconds:
      {"table":"trade","seq":71,"ts_recv":"2026-11-22T06:30:00.000000001Z",...,
       "price":"98.97","qty":"5.14","side":"buy",...}
    Rows come in the order of the recording; a summary goes to stderr.

    \b
    Exit codes:
      0    complete
      1    failed, or not certified
      2    invalid request
      3    done, but the recorder had losses in what was asked for
      130  stopped by Ctrl-C
    """
    asked = _asked(options)
    with _orderly_end():
        raise SystemExit(_run(asked))


def main() -> None:
    """Entry point of ``bp-replay``."""
    replay()


def _asked(options: dict[str, Any]) -> Options:
    names = [field.name for field in fields(ServeOptions)]
    serving = ServeOptions(**{name: options.pop(name) for name in names})
    speed = options.pop("speed") or ("1x" if serving.serve else "max")
    return Options(speed=speed_of(speed), serving=serving, **options)


def _run(options: Options) -> int:
    if options.serving.serve is not None:
        return _serve(options)
    options.serving.check_unused()
    return _certify(options) if options.certify else _replay(options)


def _serve(options: Options) -> int:
    if options.certify or options.merge:
        raise UsageError("--serve plays one session after another: leave --certify and --merge out")
    common = {
        "speed": options.speed,
        "topics": options.topics,
        "start": options.start,
        "until": options.until,
        "generation": options.generation,
    }
    return serve(options.data, options.serving, common)


def _certify(options: Options) -> int:
    others = (options.speed, options.topics, options.start, options.until, options.merge)
    if any(others) or options.generation is not None:
        raise UsageError("--certify is about the whole recording: leave the other options out")
    there = tapes(options.data)
    console.say_notes(missing_shards(there))
    return max((_certify_one(tape, options) for tape in there), key=_SEVERITY.index)


def _certify_one(tape: Tape, options: Options) -> int:
    with console.Progress("certifying") as progress:
        certificate = certify(tape, progress.show)
    if options.output != "none":
        with suppress(BrokenPipeError):  # whoever reads no further still gets the exit code
            if tape.root != options.data:
                click.echo(f"{tape.root}:")
            click.echo(str(certificate))
    return _EXIT_CODES[certificate.outcome]


def _replay(options: Options) -> int:
    replay = Replay(
        options.data,
        speed=options.speed,
        topics=options.topics,
        start=options.start,
        until=options.until,
        merge=options.merge,
        generation=options.generation,
    )
    report = Report(replay)
    printer = _printer(options)
    failure = _play(replay, report, printer)
    if printer is not None:
        printer.flush()
    for line in report.lines():
        click.echo(line, err=True)
    if isinstance(failure, BackpackError):
        raise failure
    if failure is not None:
        return INTERRUPTED
    return console.LOSSES if report.losses() else console.WHOLE


def _printer(options: Options) -> Printer | None:
    """Who watches a paced replay wants each row at its time; else batches are faster."""
    if options.output == "none":
        return None
    return Printer(sys.stdout.buffer, eager=options.speed is not None)


def _play(
    replay: Replay, report: Report, printer: Printer | None
) -> BackpackError | KeyboardInterrupt | None:
    """Play it all; what ends it early comes back as a value, so that the summary is shown."""
    with console.Progress("replaying") as progress:
        rows_on_screen = printer is not None and sys.stdout.isatty()
        bar = None if rows_on_screen or not sys.stderr.isatty() else _bar(replay, progress)
        try:
            for frame, rows in replay.frames():
                report.see(frame, rows)
                if printer is not None:
                    printer.print(rows)
                if bar is not None:
                    bar(frame)
        except (BackpackError, KeyboardInterrupt) as failure:
            return failure
    return None


def _bar(replay: Replay, progress: console.Progress) -> Callable[[Frame], None]:
    """Moves a bar with the time of the tape."""
    first = max(replay.first_ts, replay.span.start)
    total = min(replay.last_ts, replay.span.until) - first
    due = 0.0

    def move(frame: Frame) -> None:
        nonlocal due
        now = monotonic()
        if now >= due:
            due = now + _BLINK
            progress.show(frame.ts_recv - first, total)

    return move


@contextmanager
def _orderly_end() -> Iterator[None]:
    """``| head`` has seen enough: that is no failure, and nothing to tell anybody."""
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:
        # Python flushes stdout once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(console.WHOLE) from None
