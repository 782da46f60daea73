"""``--config``: options from a file, which can be read again."""

from pathlib import Path
from typing import Any

import click

from recorder.options import read_file, settings_of
from recorder.reload import Reading, Reread
from schemas.errors import ConfigError
from tape.console import Group

_ARGUMENTS = "recorder.arguments"
_PATH = "recorder.config"


class Rereadable(Group):
    """A command that remembers its arguments, so that they can be read again with a file that is
    another by then."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_ARGUMENTS] = tuple(args)
        return super().parse_args(ctx, args)


def load_config(context: click.Context, option: click.Option, path: Path | None) -> None:
    """Options from a TOML file become defaults, so that the command line wins."""
    del option
    if path is not None:
        context.meta[_PATH] = path
        context.default_map = read_file(path)


def rereading(context: click.Context) -> Reread | None:
    """What reads the options of a command again; None where there was no file."""
    if _PATH not in context.meta:
        return None
    before = dict(context.params)

    def reread() -> Reading:
        again = _parsed(context)
        others = ("log_format",) if again["log_format"] != before["log_format"] else ()
        topics, data = again.pop("topics"), again.pop("data")
        return Reading(settings_of(topics, data, again), context.meta[_PATH], others)

    return reread


def _parsed(context: click.Context) -> dict[str, Any]:
    """The options now; raises ConfigError."""
    arguments = list(context.meta[_ARGUMENTS])
    try:
        return context.command.make_context(context.info_name, arguments).params
    except click.ClickException as error:
        raise ConfigError(error.format_message()) from None
