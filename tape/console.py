"""What all commands share with the person, or program, in front of them.

Exit codes, errors without a traceback, and tables: drawn on a terminal, tab-separated in a pipe.
"""

import errno
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import click
import msgspec
from rich import progress
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.errors import BackpackError, UsageError
from tape.quantities import pretty_span

WHOLE = 0
FAILED = 1
USAGE = 2
LOSSES = 3  # done, but with losses that are recorded

_PATIENCE = 2.0  # seconds
_WIDEST = (
    10_000  # characters: a terminal folds what is too long for it, and a name cut short is none
)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_KEPT = "tape.console"  # in the context of a command: JSON that is not to be printed


class _Failure(click.ClickException):
    """Shown as ``error: ...`` on stderr; exits 1."""

    def show(self, file: Any = None) -> None:
        click.echo(f"error: {self.message}", err=True, file=file)


class _Misuse(_Failure):
    """The same for what the user asked for; exits 2."""

    exit_code = USAGE


class Command(click.Command):
    """A command whose errors are messages, without a traceback.

    UsageError exits 2; other errors of this project, and of the operating system, exit 1. A fault
    in the program itself still shows where it is.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with reported(None):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with reported(ctx.params.get("data")):
            return super().invoke(ctx)


# What all commands about a recording begin with, and their output for programs.
folder = click.argument(
    "data", type=click.Path(path_type=Path, file_okay=False), default=Path("data/tape")
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def print_json(value: Any) -> None:
    """Print one JSON document."""
    context = click.get_current_context(silent=True)
    kept: list[Any] | None = None if context is None else context.meta.get(_KEPT)
    if kept is None:
        click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))
    else:
        kept.append(value)


@contextmanager
def kept_json(context: click.Context) -> Iterator[list[Any]]:
    """What `print_json` is given meanwhile, instead of printing it."""
    context.meta[_KEPT] = documents = list[Any]()
    try:
        yield documents
    finally:
        del context.meta[_KEPT]


@contextmanager
def reported(data: Path | None) -> Iterator[None]:
    """Our errors as those that click shows. data: the recording, where one is known."""
    try:
        yield
    except UsageError as error:
        raise _Misuse(str(error)) from error
    except BackpackError as error:
        raise _Failure(str(error)) from error
    except BrokenPipeError:
        raise  # click ends quietly when nobody reads on
    except OSError as error:
        raise _Failure(_advised(error, data)) from error


def _advised(error: OSError, data: Path | None) -> str:
    """What the system says, and what to do about it."""
    if error.errno not in _FULL:
        return str(error)
    where = data or error.filename or "the command line"
    return (
        f"a disk is full ({os.strerror(error.errno)}), at work on {where}: nothing of the"
        " recording is lost; make room there, and where the output goes, and run this again"
    )


class Group(Command, click.Group):
    """A group of commands, all of them as `Command`."""

    command_class = Command


class Progress:
    """A bar on stderr for what lasts: shown on a terminal only, after two seconds.

    unit: of what is done, where it may last for hours: how many in a second is shown too, and for
    how long it will do at that rate.
    """

    def __init__(self, what: str, unit: str = "") -> None:
        columns = progress.Progress.get_default_columns()
        if unit:
            columns = (*columns[:3], progress.TextColumn("{task.fields[pace]}"))
        self._bar = progress.Progress(
            *columns,
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task(what, total=None, pace="")
        self._unit = unit
        self._began = monotonic()
        self._due = self._began + _PATIENCE

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, done: float, total: float) -> None:
        """Say how far it is."""
        pace = self._pace(done, total) if self._unit and done else ""
        self._bar.update(self._task, completed=done, total=total, pace=pace)
        if monotonic() > self._due:
            self._bar.start()

    def _pace(self, done: float, total: float) -> str:
        spent = monotonic() - self._began
        left = pretty_span(spent * (total - done) / done)
        return f"{done / max(spent, 0.001):,.0f} {self._unit}/s, {left} left"


def show_table(columns: Sequence[str], lines: Sequence[Sequence[object]]) -> None:
    """Print lines under their columns: in a pipe as tab-separated text; on a terminal aligned,
    numbers to the right, without columns that are empty in all lines."""
    console = Console(width=_WIDEST, height=25)  # both, or a dumb terminal has 80 columns
    if not console.is_terminal:
        for line in (columns, *lines):
            click.echo("\t".join(map(cell, line)))
        return
    shown = [*range(len(columns))]
    if lines:
        shown = [n for n in shown if any(line[n] not in (None, "") for line in lines)]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number in shown:
        right = any(isinstance(line[number], int) for line in lines)
        table.add_column(columns[number], justify="right" if right else "left")
    for line in lines:
        table.add_row(*(Text(_pretty(line[number])) for number in shown))
    console.print(table)


def show_lines(
    columns: Sequence[str], lines: Sequence[Sequence[object]], as_json: bool, nothing: str = ""
) -> None:
    """Print lines as a table, or as a JSON document; ``nothing``: what to say where there are none,
    instead of a table without lines."""
    if as_json:
        print_json([dict(zip(columns, line, strict=True)) for line in lines])
    elif lines or not nothing:
        show_table(columns, lines)
    else:
        click.echo(nothing)


def say_notes(notes: Iterable[str]) -> None:
    """On stderr, as they are no part of what a program reads."""
    for note in notes:
        click.echo(f"note: {note}", err=True)


def _pretty(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else cell(value)


def cell(value: object) -> str:
    """On one line and in one cell, whatever a venue put into it."""
    text = "-" if value is None else str(value)
    return text if text.isprintable() else ascii(text)[1:-1]
