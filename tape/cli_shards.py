"""Commands of ``bp-tape`` about one recording, where their folder holds several shards.

Such a command is made with ``cls=EachShard``, and is carried out for each of them in turn. Those
that read several as one ask `tape.recordings` themselves.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tape import console
from tape.layout import Tape
from tape.recordings import folders, missing_shards

_ALL = "tape.cli_shards"  # in the context of a command: all folders that it is carried out for
# The worst first: what one of them says, all together do.
_SEVERITY = (console.FAILED, console.USAGE, console.LOSSES, console.WHOLE)


class EachShard(console.Command):
    """Goes from shard to shard, whatever becomes of one of them: each has a head line with its
    name, or, with ``--json``, a member of one object. The exit code is the worst."""

    def invoke(self, ctx: click.Context) -> None:
        found = _several(ctx.params["data"])
        if not found:
            super().invoke(ctx)
            return
        ctx.meta[_ALL] = found
        console.say_notes(missing_shards(map(Tape, found)))
        root, said = ctx.params["data"], dict[str, Any]()
        codes = [self._invoke_one(ctx, folder, _name(folder, root), said) for folder in found]
        if ctx.params["as_json"]:
            console.print_json(said)
        ctx.exit(min(codes, key=_SEVERITY.index))

    def _invoke_one(self, ctx: click.Context, folder: Path, name: str, said: dict[str, Any]) -> int:
        """For one of them; its exit code."""
        ctx.params["data"] = folder
        if not ctx.params["as_json"]:
            click.echo(f"{name}:")
        with console.kept_json(ctx) as documents:
            code = self._code(ctx, name)
        said[name] = documents[0] if documents else None
        return code

    def _code(self, ctx: click.Context, name: str) -> int:
        try:
            super().invoke(ctx)
        except click.exceptions.Exit as end:
            return end.exit_code
        except click.ClickException as failure:
            click.echo(f"error: {name}: {failure.format_message()}", err=True)
            return failure.exit_code
        return console.WHOLE


def together(ctx: click.Context) -> Sequence[Path]:
    """All folders that the command in hand is carried out for; one, where it is not for shards."""
    found: Sequence[Path] = ctx.meta.get(_ALL, (ctx.params["data"],))
    return found


def _several(data: Path) -> list[Path]:
    """The folders, if it is not one recording alone that is meant."""
    with console.reported(data):
        found = folders(data)
    return [] if found in ([], [data]) else found


def _name(folder: Path, root: Path) -> str:
    return str(folder) if folder == root else folder.name
