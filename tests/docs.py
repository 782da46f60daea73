"""Makes ``docs/tables.md`` from the row classes and ``docs/metrics.md`` from the metrics:
``python -m tests.docs``.
"""

from pathlib import Path

from market.streams import STREAMS
from recorder.health import MEANING
from recorder.metrics import METRICS
from schemas.arrow import FRAMES, Column, columns
from schemas.frames import Frame, Kind
from schemas.rows import Row
from schemas.tables import TABLES

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "tables.md"
METRICS_PAGE = DOCS / "metrics.md"

_HEAD = """# Tables

Made from the row classes in `schemas/` by `python -m tests.docs`; do not edit. Every table
lies under `rows/<table>/date=.../symbol=.../`; `symbol` and `date` are in the path. How the files
lie and how to open them: [data-format.md](data-format.md).
"""


_METRICS_HEAD = """# Metrics

Made from the tables of metrics in `recorder/` by `python -m tests.docs`; do not edit. Served with
`bp-record --metrics-port 9466`; how to watch a recorder: [operations.md](operations.md). Counters
are since the start of the recorder, if nothing else is said.

| metric | type | labels | meaning |
|---|---|---|---|
"""

_HEALTH_HEAD = """
## Health

`/healthz` answers 200 with `{"status":"ok"}`, or 503 with `"status":"unwell"` and `reasons`, each
with a `reason` of these and a `detail`:

| reason | |
|---|---|
"""


def metrics_page() -> str:
    """That of metrics and health."""
    metrics = [
        f"| `{m.name}` | {m.type} | {', '.join(f'`{label}`' for label in m.labels)} | {m.help} |\n"
        for m in METRICS
    ]
    health = [f"| `{reason}` | {meaning} |\n" for reason, meaning in MEANING.items()]
    return "".join([_METRICS_HEAD, *metrics, _HEALTH_HEAD, *health])


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
    METRICS_PAGE.write_text(metrics_page())
