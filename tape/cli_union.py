"""The command of ``bp-tape`` that makes one recording of several: union."""

from pathlib import Path

import click

from schemas.errors import UsageError
from tape import console
from tape.manifest import Verdict
from tape.side import Side
from tape.union import Made, sides, union
from tape.worksite import remove_abandoned

_COLUMNS = ("segment", "verdict", "frames", "rows", "gaps")


@click.command("union", cls=console.Command)
@click.argument(
    "inputs", nargs=-1, type=click.Path(path_type=Path, file_okay=False), metavar="DATA [DATA..]"
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the new recording; must be empty or not exist.",
)
@click.option("--public-only", is_flag=True, help="Leave out all account data, and what might be.")
@console.as_json
@click.pass_context
def command(
    context: click.Context, inputs: tuple[Path, ...], out: Path, public_only: bool, as_json: bool
) -> None:
    """Merge recordings of the same exchange into one: of two machines, of overlapping sessions in
    one folder, of the shards in a folder.

    The new one is as if one recorder had had the connections of all: of a message that came
    several times, the first is there, and the others are noted in the table copy. What one missed
    and another has is no gap any more; what all missed is the gap it was. Inputs stay as they are.
    Segments that are not certified are taken too, and named. See docs/data-format.md, "Unions".

    What is not sealed, or was pruned, is left out. It is made in OUT.tmp, which is gone where it
    fails; what one that was killed has left, the next one removes.

    Exits 0; 3 if something is lost in the new one.

    \b
    Examples:
      bp-tape union here/tape there/tape --out data/both
      bp-tape union data/tape --out data/one              sessions that overlap
      bp-tape union data/tape --out data/whole            all shards in a folder
      bp-tape union --public-only here/tape there/tape --out data/to-give-away
    """
    if not inputs:
        raise UsageError("name the recordings to be united, as in bp-tape union A B --out OUT")
    found = sides(inputs, public_only)
    console.say_notes(map(_doubt, (side for side in found if _doubt(side))))
    if (left := remove_abandoned(out)) is not None:
        click.echo(f"removed {left}, which a union that was cut off had left", err=True)
    with console.Progress("uniting", "frames") as progress:
        made = union(found, out, context.obj, public_only, progress.show)
    _show(made, as_json)
    whole = all(manifest.verdict is Verdict.CERTIFIED for manifest in made.segments)
    context.exit(console.WHOLE if whole else console.LOSSES)


def _doubt(side: Side) -> str:
    """What is to be said of a session before it is taken; empty if nothing."""
    doubtful = [str(m.name) for m in side.segments if m.verdict is not Verdict.CERTIFIED]
    return f"not certified, and taken all the same: {', '.join(doubtful)}" if doubtful else ""


def _show(made: Made, as_json: bool) -> None:
    lines = [
        (str(m.name), m.verdict.value, m.frames, sum(m.rows.values()), m.rows.get("gap", 0))
        for m in made.segments
    ]
    if as_json:
        segments = [dict(zip(_COLUMNS, line, strict=True)) for line in lines]
        counts = {"copies": made.copies, "requests_left_out": made.left_out}
        console.print_json({"inputs": made.inputs, "segments": segments, **counts})
        return
    console.show_table(_COLUMNS, lines)
    click.echo(
        f"{made.copies:,} copies; {made.left_out:,} REST requests left out, with their answers"
    )
