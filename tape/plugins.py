"""Commands of ``bp-tape`` that other rooms bring: this one knows neither sockets nor the venue.

They are entry points of the group ``backpack.tape.commands`` (pyproject.toml), each a command, and
are loaded when they are asked for.
"""

from importlib.metadata import EntryPoint, entry_points

GROUP = "backpack.tape.commands"


def plugins() -> dict[str, EntryPoint]:
    """Those that are installed, by name."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}
