"""``bp-tape ids``: ranges of trade ids without a hole."""

from pathlib import Path

import click

from tape import console
from tape.patterns import Patterns
from tape.recordings import notes, recordings
from tape.trade_ids import TradeIds, trade_ids

_COLUMNS = ("topic", "first_id", "last_id", "trades", "from_rest", "then_missing")

topics = click.option(
    *("-t", "--topics", "--topic", "patterns"),
    multiple=True,
    metavar="PATTERN",
    help="Only these, as 'trade.*_PERP'. Repeatable.",
)


@click.command(cls=console.Command)
@console.folder
@topics
@console.as_json
@click.pass_context
def ids(context: click.Context, data: Path, patterns: tuple[str, ...], as_json: bool) -> None:
    """Show ranges of trade ids without a hole.

    The exchange numbers the trades of a market consecutively. Each line is a range of ids that are
    all recorded, over all sessions and shards: how many of them came by REST instead of the stream,
    and how many are missing before the next range. Where the exchange restarted its numbering, so
    does the list.

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
