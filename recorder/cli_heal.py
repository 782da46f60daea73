"""``bp-tape heal``: fetches the trades that a recording lacks over REST, afterwards."""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from market.engine import Engine
from recorder.heal import Heal
from recorder.rest import Rest
from recorder.settings import PATIENCE, REST_URL
from tape import console
from tape.cli_ids import topics
from tape.cli_shards import EachShard, together
from tape.lacking import Lack, lacking
from tape.layout import Tape
from tape.lock import lock
from tape.manifest import Manifest, Verdict
from tape.patterns import Patterns
from tape.reader import segments
from tape.recordings import recordings
from tape.seal import seal_alone

_PLANNED = ("topic", "session", "cause", "first_id", "last_id", "missing")
_HEALED = ("topic", "missing", "healed", "left")


@click.command(cls=EachShard)
@console.folder
@topics
@click.option("--rest-url", default=REST_URL, show_default=True, help="REST URL of the exchange.")
@click.option("--dry-run", is_flag=True, help="Only show what is missing.")
@console.as_json
@click.pass_context
def heal(
    context: click.Context,
    data: Path,
    patterns: tuple[str, ...],
    rest_url: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Fetch missing trades over REST, as far as the exchange still has them.

    Holes in the trade ids show what is missing: trades during a lost connection, or between two
    sessions while nobody recorded. The exchange returns the newest 10,000 trades of a market. The
    replies become a new session, certified like any other; sealed files are not touched. The new
    rows have `rest` as their `source`.

    A running recorder fetches by itself what it notices is missing; this is for everything else.
    Refused while a recorder is running on DATA. Journals left by a killed one are sealed first.

    Exits 0 if nothing is missing any more, 3 if some trades could not be fetched; with --dry-run 3
    if any are missing.

    \b
    Examples:
      bp-tape heal --dry-run data/tape     show what is missing
      bp-tape heal data/tape && bp-tape ids data/tape
    """
    with ExitStack() as held:
        tape = Tape.open(data)
        if not dry_run:
            held.enter_context(lock(data))
            _seal(tape)
        lacks = _lacks(tape, together(context), Patterns(patterns))
        if dry_run or not lacks:
            lines = [line for lack in lacks for line in _planned(lack)]
            console.show_lines(_PLANNED, lines, as_json, nothing="no trade is missing")
            context.exit(console.LOSSES if lacks else console.WHOLE)
        progress = held.enter_context(console.Progress("healing"))
        made, outcome = asyncio.run(_heal(tape, lacks, rest_url, progress))
    _report(lacks, outcome, as_json)
    diverged = any(manifest.verdict is Verdict.DIVERGENT for manifest in made)
    left = console.LOSSES if any(outcome.left.values()) else console.WHOLE
    context.exit(console.FAILED if diverged else left)


def _lacks(tape: Tape, every: Sequence[Path], wanted: Patterns) -> list[Lack]:
    """What is missing since something that is in this one, and is not in another shard: there a
    market may have gone on when their number changed. every: this one and the others."""
    found = lacking(recordings(every), wanted)
    if len(every) == 1:
        return found
    here = {(m.session, entry.symbol) for m in segments(tape, merge=True) for entry in m.files}
    return [lack for lack in found if (lack.session, lack.symbol) in here]


def _seal(tape: Tape) -> None:
    """What an earlier run left, as there may be trades in it."""
    for journal in tape.journals():
        seal_alone(journal, tape, Engine())


async def _heal(
    tape: Tape, lacks: Sequence[Lack], rest_url: str, progress: console.Progress
) -> tuple[list[Manifest], Heal]:
    async with Rest(rest_url, PATIENCE.reply) as rest:
        healing = Heal(tape, rest, progress.show)
        return await healing.run(lacks), healing


def _planned(lack: Lack) -> list[tuple[object, ...]]:
    return [
        (lack.topic, lack.session, lack.cause, first, last, last - first + 1)
        for first, last in lack.ranges
    ]


def _report(lacks: Sequence[Lack], outcome: Heal, as_json: bool) -> None:
    missing: dict[str, int] = {}
    for lack in lacks:
        missing[lack.topic] = missing.get(lack.topic, 0) + lack.left
    lines = [
        (topic, count, count - outcome.left[topic], outcome.left[topic])
        for topic, count in missing.items()
    ]
    console.show_lines(_HEALED, lines, as_json)
    console.say_notes(dict.fromkeys(outcome.troubles))
