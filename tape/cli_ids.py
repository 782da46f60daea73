"""``bp-tape ids``: of which trades every one is there."""

from pathlib import Path

import click

from tape import console
from tape.patterns import Patterns
from tape.recordings import notes, recordings
from tape.trade_ids import TradeIds, trade_ids

_COLUMNS = ("topic", "first_id", "last_id", "trades", "from_rest", "then_missing")

topics = click.option(
    "-t", "--topic", "patterns", multiple=True, metavar="PATTERN", help="Only these, as trade.*"
)


@click.command(cls=console.Command)
@console.folder
@topics
@console.as_json
@click.pass_context
def ids(context: click.Context, data: Path, patterns: tuple[str, ...], as_json: bool) -> None:
    """Show which trades are there without a hole, by their ids.

    The venue numbers the trades of a market one by one. Each line is a stretch in which every id is
    there, over all sessions and shards, with how many of them came by REST instead of the stream,
    and how many are missing before the next stretch. Where the venue began to number anew, so does
    the list.

    Exits 0 if no id is missing between the first and the last, 3 if some are.

    \b
    Examples:
      bp-tape ids data/tape
      bp-tape ids -t trade.SOL_USDC --json data/tape
    """
    there = recordings(data)
    found = trade_ids(there, Patterns(patterns))
    if as_json:
        console.print_json(found)
    else:
        lines = [line for stream in found for line in _lines(stream)]
        console.show_lines(_COLUMNS, lines, False, nothing="no trades here")
    console.say_notes(notes(there))
    lacking = any(stream.missing for stream in found)
    context.exit(console.LOSSES if lacking else console.WHOLE)


def _lines(stream: TradeIds) -> list[tuple[object, ...]]:
    then = [last - first + 1 for first, last in stream.gaps]
    return [
        (stream.topic, each.first_id, each.last_id, each.trades, each.rest, missing)
        for each, missing in zip(stream.stretches, [*then, None], strict=True)
    ]
