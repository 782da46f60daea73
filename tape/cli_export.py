"""The command of ``bp-tape`` that writes plain files: export."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from schemas.errors import NotARecording, UsageError
from tape import console
from tape.choice import Choice
from tape.export import Order, export
from tape.generations import rows_files
from tape.manifest import Manifest
from tape.moment import moment
from tape.outfile import FORMATS
from tape.patterns import Patterns, nearest
from tape.recorded import recorded_topics
from tape.recordings import notes, recordings

_FIRST_NS, _LAST_NS = 0, 2**63 - 1


@dataclass(frozen=True, slots=True)
class Asked:
    """The options as they were given."""

    data: Path
    out: Path
    tables: tuple[str, ...]
    topics: tuple[str, ...]
    symbols: tuple[str, ...]
    start: str | None
    until: str | None
    form: str
    public_only: bool
    force: bool
    as_json: bool


@click.command("export", cls=console.Command)
@click.argument("data", type=click.Path(path_type=Path, file_okay=False))
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--table",
    "-t",
    "tables",
    multiple=True,
    metavar="NAME",
    help="A table, as depth; 'frames': the raw frames. Repeatable.  [default: all tables]",
)
@click.option(
    "--topics",
    multiple=True,
    metavar="PATTERN",
    help="Only what is about these: depth.ETH_USDC, 'trade.*_PERP'. Repeatable.",
)
@click.option(
    "--symbol",
    "symbols",
    multiple=True,
    metavar="PATTERN",
    help="Only what is about these markets: ETH_USDC, '*_PERP'. Repeatable.",
)
@click.option("--start", "--from", "start", metavar="TIME", help="Only what arrived then or later.")
@click.option("--until", metavar="TIME", help="Only what arrived before this time.")
@click.option(
    "--format", "form", type=click.Choice([*FORMATS]), default="parquet", show_default=True
)
@click.option("--public-only", is_flag=True, help="Leave out all account data, and what might be.")
@click.option("--force", is_flag=True, help="Replace files that are in OUT already.")
@console.as_json
def command(**options: Any) -> None:
    """Export the rows of a recording as plain files: one per table, in OUT.

    Lines stand in the order of the recording: sessions one after another, and in each by seq. Of
    several shards they are by time of receipt, those of each shard in its order. The symbol is a
    column. Nothing is rounded: in CSV and JSON prices, quantities and rates are decimal
    texts, times ISO 8601 with nanoseconds; an empty field of CSV is null, an empty text is "".
    Rows are those of the generation that counts; what is not sealed, or was pruned, is left out,
    and a note says so.

    What may be of an account is in there too, unless --public-only leaves it out; only you may
    read those files then.

    \b
    Examples:
      bp-tape export data/tape out                        all tables, as Parquet
      bp-tape export -t trade --format csv data/tape out  one table, as CSV
      bp-tape export -t frames --format jsonl data/tape out
      bp-tape export --topics 'depth.*' --symbol '*_PERP' data/tape out
      bp-tape export --start 06:30 --until 06:45 data/tape out
      bp-tape export --public-only data/tape out          to be given to others

    \b
    Times are UTC, as for bp-replay: 2026-11-22T06:30, 2026-11-22, 06:30 (on the
    recording's first day), or nanoseconds since 1970.
    """
    asked = Asked(**options)
    there = recordings(asked.data, everything=True)
    found = [manifest for each in there for manifest in each.segments]
    if not found:
        raise NotARecording(f"{asked.data} holds journals only: nothing is sealed yet")
    tables = asked.tables or None
    order = Order(tables, _choice(asked, found), asked.out, asked.form, asked.force)
    with console.Progress("exporting") as progress:
        made = export(there, order, progress.show)
    if waiting := sum(len(each.tape.journals()) for each in there):
        click.echo(f"journals that are not sealed are left out: {waiting}", err=True)
    console.say_notes(notes(there))
    console.show_lines(_COLUMNS, made, asked.as_json, nothing="nothing to export")


_COLUMNS = ("file", "table", "rows", "bytes", "account")


def _choice(asked: Asked, found: list[Manifest]) -> Choice:
    topics, symbols = Patterns(asked.topics), Patterns(asked.symbols)
    topics.check(recorded_topics(found))
    _check_symbols(symbols, found)
    first = min(manifest.first_ts for manifest in found)
    start = _FIRST_NS if asked.start is None else moment(asked.start, first)
    until = _LAST_NS if asked.until is None else moment(asked.until, first)
    if until <= start:
        raise UsageError("--until is not after --start")
    return Choice(topics, symbols, start, until, asked.public_only)


def _check_symbols(symbols: Patterns, found: list[Manifest]) -> None:
    if symbols.everything:
        return
    entries = (entry for manifest in found for entry in rows_files(manifest))
    known = {entry.symbol for entry in entries if entry.symbol is not None}
    for pattern in symbols.patterns:
        if not any(map(Patterns([pattern]).wants, known)):
            raise UsageError(f"no market here matches {pattern!r}; {nearest(pattern, known)}")
