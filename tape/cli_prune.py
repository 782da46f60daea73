"""The command of ``bp-tape`` that removes what is not to be kept any longer."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from time import time_ns

import click

from schemas.errors import UsageError
from tape import console
from tape.cli_shards import EachShard, together
from tape.keep import Keep
from tape.layout import Tape
from tape.lock import upkeep
from tape.prune import Order, finish
from tape.prune import prune as pruning
from tape.prunings import What
from tape.quantities import pretty_size
from tape.retention import Aim, Choice, choose, take_stock, within

Line = tuple[object, ...]


@click.command(cls=EachShard)
@console.folder
@click.option(
    "--keep",
    "texts",
    multiple=True,
    metavar="AGE|SIZE",
    help="Keep segments no older than this (90d), or no more than this in total (500GB). With both,"
    " both hold.",
)
@click.option(
    "--what",
    type=click.Choice([what.value for what in What]),
    default=What.ALL.value,
    show_default=True,
    help="Remove whole segments, or only their frames or rows.",
)
@click.option("--force", is_flag=True, help="Delete segments that are not certified, too.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@console.as_json
@click.pass_context
def prune(
    context: click.Context,
    data: Path,
    texts: tuple[str, ...],
    what: str,
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Delete the oldest segments, until what is left satisfies every --keep.

    The age of a segment is that of its last frame. The size is that of all files of the recording,
    of all shards together, but for manifests; it is the whole that has to fit, whatever is removed
    of it. The newest
    segment stays in any case, and a segment that is not certified unless you say --force. Files
    that were compacted go with the last of the segments that share them.

    Each removal is written to manifest/log.jsonl first: when, which files with their sha256, why.
    What is in there is not missing to any command. A segment whose frames were pruned keeps its
    rows, but cannot be replayed, certified or sealed again. One whose rows were pruned gets them
    back with bp-tape seal --again; its gap, audit, clock, silence and session rows stay, which say
    what is missing.

    A recorder may be at work meanwhile (bp-record --keep does this by itself). Killed at any point,
    each segment is there or pruned for all readers; the next bp-tape prune or recover removes what
    was left over. A program that reads a segment while it is pruned ends with an error.

    Exits 0; 3 if something was spared as it is not certified, or the rest still does not fit.

    \b
    Examples:
      bp-tape prune --keep 90d --dry-run data/tape
      bp-tape prune --keep 90d --keep 500GB data/tape
      bp-tape prune --keep 30d --what rows data/tape     seal --again makes them anew
    """
    if not texts:
        raise UsageError("say what to keep, as in --keep 90d or --keep 500GB")
    aim = Aim(Keep.parse(texts), time_ns(), What(what), force)
    tape = Tape.open(data)
    with ExitStack() as held:
        if not dry_run:
            held.enter_context(upkeep(data))
            _say_finished(finish(tape))
        stock = take_stock(tape, aim.what)
        others = [take_stock(Tape(root), aim.what) for root in together(context) if root != data]
        its = within([stock, *others], aim)
        choice = choose(stock, its)
        left = choice.bytes + sum(choose(other, its).bytes for other in others)
        if dry_run:
            planned = zip(choice.going, choice.freed, strict=True)
            whole = aim.what is What.ALL  # manifests go, even if others share all that is left
            lines: list[Line] = [(str(h.name), what, n) for h, n in planned if n or whole]
        else:
            order = Order(aim.what, "bp-tape prune", aim.keep.told + " --force" * force)
            done = pruning(tape, stock, choice.going, order)
            lines = [(str(one.name), one.what.value, one.files, one.bytes) for one in done]
    console.show_lines(_PLANNED if dry_run else _DONE, lines, as_json, nothing="nothing to prune")
    fits = aim.keep.size is None or left <= aim.keep.size
    _say_left(choice, "" if fits else f"{pretty_size(left)} are left, more than {aim.keep.told}")
    context.exit(console.LOSSES if choice.spared or not fits else console.WHOLE)


_PLANNED = ("segment", "what", "bytes")
_DONE = ("segment", "what", "files", "bytes")


def _say_finished(paths: Sequence[str]) -> None:
    """What was left over of an interrupted command."""
    if paths:
        click.echo(f"removed {len(paths)} files of a pruning that was cut off", err=True)


def _say_left(choice: Choice, too_much: str) -> None:
    for holding in choice.spared:
        click.echo(f"spared: {holding.name}: {holding.doubt}", err=True)
    if too_much:
        click.echo(f"{too_much}: nothing else may go", err=True)
