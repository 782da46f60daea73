"""Makes ``docs/tables.md`` from the row classes: ``python -m tests.docs``."""

from pathlib import Path

from market.streams import STREAMS
from schemas.arrow import FRAMES, Column, columns
from schemas.frames import Frame, Kind
from schemas.rows import Row
from schemas.tables import TABLES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "tables.md"

_HEAD = """# Tables

Made from the row classes in `schemas/` by `python -m tests.docs`; do not edit. Every table
lies under `rows/<table>/date=.../symbol=.../`; `symbol` and `date` are in the path. How the files
lie and how to open them: [data-format.md](data-format.md).
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *map(_table, TABLES.values()), _frames()])


def _table(row: type[Row]) -> str:
    channels = [stream.channel for stream in STREAMS.values() if stream.row is row]
    source = f"From the stream `{channels[0]}`. " if channels else ""
    lines = [f"## {row.TABLE}", "", source + _plain(row.__doc__), "", *_columns(columns(row))]
    return "\n".join([*lines, ""])


def _columns(described: list[Column]) -> list[str]:
    head = ["| column | type | unit | null | meaning |", "|---|---|---|---|---|"]
    return head + [
        f"| `{c.name}` | {c.arrow} | {c.unit.value} | {'yes' if c.nullable else ''} | {c.doc} |"
        for c in described
    ]


def _frames() -> str:
    kinds = ", ".join(f"`{kind}`" for kind in Kind)
    lines = ["## frames", "", _plain(Frame.__doc__), "", f"Kinds: {kinds}.", ""]
    lines += ["| column | type |", "|---|---|"]
    lines += [f"| `{field.name}` | {field.type} |" for field in FRAMES]
    return "\n".join([*lines, ""])


def _plain(doc: str | None) -> str:
    return " ".join((doc or "").split())


if __name__ == "__main__":
    PAGE.write_text(page())
