"""The commands of ``bp-tape`` about generations of rows: diff and compact."""

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import click

from schemas.errors import UsageError
from tape import console
from tape.cli_shards import EachShard
from tape.compact import compact as compacting
from tape.compact import finish
from tape.days import Day, day_of
from tape.diff import Comparison, Difference, pairs
from tape.layout import Tape
from tape.lock import upkeep
from tape.plan import held_back, plan, plan_begun

_SHOWN = 20

Line = tuple[object, ...]


@click.command(cls=EachShard)
@console.folder
@click.option("--from", "old", type=int, metavar="N", help="Generation; default: the first.")
@click.option("--to", "new", type=int, metavar="N", help="Generation; default: the last.")
@click.option("--table", metavar="NAME", help="Only this table, such as depth.")
@click.option(
    "-n",
    "--shown",
    type=click.IntRange(min=0),
    default=_SHOWN,
    show_default=True,
    help="Differences to write out.",
)
@console.as_json
@click.pass_context
def diff(
    context: click.Context,
    data: Path,
    old: int | None,
    new: int | None,
    table: str | None,
    shown: int,
    as_json: bool,
) -> None:
    """Compare the rows of two generations: what sealing again changed.

    Rows are matched by the frame they were made of and by their order within it. Exits 0 if all
    are equal, 1 if not.

    \b
    Examples:
      bp-tape diff data/tape                  the first generation and the last
      bp-tape diff --from 1 --to 2 data/tape
      bp-tape diff --table trade -n 100 data/tape
    """
    tape = Tape.open(data)
    found = pairs(tape, old, new)
    with console.Progress("comparing") as progress:
        comparison = Comparison(tape, found, table, progress.show)
        differences = comparison.differences()
        first = list(islice(differences, shown))
        for _ in differences:
            pass
    if table is not None and not comparison.counts:
        raise UsageError(f"no table {table!r} in these generations")
    if as_json:
        tables = dict(sorted(comparison.counts.items()))
        said = {"segments": len(found), "tables": tables, "differences": first}
        console.print_json(said)
    else:
        _show_differences(comparison, first)
    differ = any(counts.differ for counts in comparison.counts.values())
    context.exit(console.FAILED if differ else console.WHOLE)


@click.command(cls=EachShard)
@console.folder
@click.option("--day", metavar="DATE", help="Only this day, such as 2026-11-22.")
@click.option("--all", "all_days", is_flag=True, help="Also days that are still being recorded.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@console.as_json
def compact(data: Path, day: str | None, all_days: bool, dry_run: bool, as_json: bool) -> None:
    """Merge the rows of hourly segments into one file per table, day and symbol.

    Frames stay in their files, so a recording replays, and is certified, as before. Only rows of
    the generation that counts remain; those of older ones are removed when the new files are safe.
    A recorder may be at work meanwhile. Killed at any point, nothing is lost: run it again.
    Readers that opened a file just before it was removed have to begin again.

    \b
    Examples:
      bp-tape compact data/tape               all days that are complete
      bp-tape compact --day 2026-11-22 data/tape
      bp-tape compact --dry-run data/tape
    """
    tape = Tape.open(data)
    with ExitStack() as held:
        if not dry_run:
            held.enter_context(upkeep(data))
            _say_removed(finish(tape))
        chosen = _chosen(tape, day, all_days)
        if dry_run:
            lines: list[Line] = [_planned(one) for one in chosen]
        else:
            progress = held.enter_context(console.Progress("compacting"))
            lines = list(compacting(tape, chosen, progress.show))
    columns = _PLANNED if dry_run else _COMPACTED
    console.show_lines(columns, lines, as_json, nothing="nothing to compact")


_DIFFERENCE = ("segment", "seq", "table", "symbol", "what", "old", "new")
_PLANNED = ("session", "date", "segments", "files", "bytes")
_COMPACTED = (
    *("session", "date", "segments"),
    *("files_before", "files_after", "bytes_before", "bytes_after"),
)


def _show_differences(comparison: Comparison, first: Sequence[Difference]) -> None:
    counts = sorted(comparison.counts.items())
    console.show_table(
        ("table", "same", "changed", "only old", "only new"),
        [(table, c.same, c.changed, c.only_old, c.only_new) for table, c in counts],
    )
    if not first:
        return
    click.echo()
    lines = [
        (one.segment, one.seq, one.table, one.symbol, one.what, _side(one.old), _side(one.new))
        for one in first
    ]
    console.show_table(_DIFFERENCE, lines)
    differing = sum(c.changed + c.only_old + c.only_new for _, c in counts)
    if differing > len(first):
        click.echo(f"and {differing - len(first):,} more: --shown {differing} writes all out")


def _side(columns: dict[str, str | None] | None) -> str | None:
    if columns is None:
        return None
    return " ".join(
        f"{name}={'null' if value is None else value}" for name, value in columns.items()
    )


def _chosen(tape: Tape, day: str | None, all_days: bool) -> list[Day]:
    try:
        number = None if day is None else day_of(day)
    except ValueError:
        raise UsageError(f"--day {day} is no date: give one such as 2026-11-22") from None
    chosen = plan(tape, number, all_days)
    if number is not None and not chosen:
        _refuse_half(tape, number, f"{day}")
    begun = plan_begun(tape)  # it was chosen before
    return begun + [one for one in chosen if one not in begun]


def _refuse_half(tape: Tape, number: int, day: str) -> None:
    """Where there is something to do for a day, and yet nothing can be done."""
    if plan(tape, number, all_days=True):
        raise UsageError(f"{day} is still being recorded; --all compacts what is sealed of it")
    if others := ", ".join(held_back(tape, number)):
        raise UsageError(
            f"{day} shares segments, whose rows were made anew, with {others}, so that one cannot"
            f" be compacted without the other: leave --day out (if {others} is still being"
            " recorded, with --all)"
        )


def _say_removed(paths: Sequence[str]) -> None:
    """What was left over of an interrupted command."""
    if paths:
        click.echo(f"removed what was left over: {', '.join(paths)}", err=True)


def _planned(day: Day) -> Line:
    return day.session, day.date, len(day.names), day.files, day.bytes
