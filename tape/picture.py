"""Coverage as a picture: a line for each topic and day, a block for each stretch of the day."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tape import console
from tape.coverage import UNRECORDED, Covered
from tape.laps import PRUNED
from tape.layout import DAY_NS
from tape.spans import Stretch

FULL, PARTLY, NOTHING = "█", "▒", "·"
LEGEND = f"{FULL} all, {PARTLY} partly, {NOTHING} nothing"
PLAIN_BLOCKS = 48  # half hours

_COLUMNS = ("topic", "day", "covered", "gaps")
_BLOCKS = (96, 48, 24, 12)  # of 15 minutes, of half an hour, of one and of two hours
_PADDING = 2  # between two columns
_NARROWEST, _WIDEST = 12, 48  # of the topics
_STYLES = {FULL: "green", PARTLY: "cyan", NOTHING: "dim"}
_GAP_STYLES = {PARTLY: "yellow", NOTHING: "red"}  # where something should have been


def show(days: Sequence[Covered]) -> None:
    """Print the picture: coloured and as wide as fits on a terminal, plain in a pipe."""
    terminal = Console()
    if terminal.is_terminal:
        _draw(terminal, days)
    else:
        bars = ("".join(block for block, _ in bar(day, PLAIN_BLOCKS)) for day in days)
        lines = [(*_cells(day), line) for day, line in zip(days, bars, strict=True)]
        console.show_table((*_COLUMNS, f"half hours from 00:00 UTC: {LEGEND}"), lines)


def bar(day: Covered, blocks: int) -> list[tuple[str, bool]]:
    """For each block of a day what of it is covered, and whether a gap is in it.

    FULL is never said of a block that lacks any time, nor NOTHING of one that has some.
    """
    size = DAY_NS // blocks
    begins = _midnight(day)
    missing = [Stretch(m.ts_since, m.ts_until) for m in day.missing]
    lost = [m for m in day.missing if m.cause not in (PRUNED, UNRECORDED)]
    gaps = [Stretch(m.ts_since, m.ts_until) for m in lost]
    lacks, has_gap = _shares(missing, begins, size), _shares(gaps, begins, size)
    found = []
    for block in range(blocks):
        lack = lacks.get(block, 0)
        said = FULL if lack == 0 else NOTHING if lack == size else PARTLY
        found.append((said, block in has_gap))
    return found


def _shares(stretches: Sequence[Stretch], begins: int, size: int) -> dict[int, int]:
    """ns of each block that stretches take."""
    shares: dict[int, int] = {}
    for start, until in stretches:
        while start < until:
            block = (start - begins) // size
            ends = min(until, begins + (block + 1) * size)
            shares[block] = shares.get(block, 0) + ends - start
            start = ends
    return shares


def percent(share: float) -> str:
    """Never rounded up: 100 is all, and more than nothing is not 0.

    >>> percent(1.0), percent(0.99999), percent(0.000001), percent(0.0)
    ('100 %', '99.99 %', '<0.01 %', '0 %')
    """
    hundredths = int(share * 10_000)
    if share in (0.0, 1.0):
        return f"{share * 100:.0f} %"
    return f"{hundredths / 100:.2f} %" if hundredths else "<0.01 %"


def _cells(day: Covered) -> tuple[str, ...]:
    return console.cell(day.topic), day.day, percent(day.share), f"{day.gaps}"


def _midnight(day: Covered) -> int:
    date = datetime.fromisoformat(day.day).replace(tzinfo=UTC)
    return int(date.timestamp()) * 1_000_000_000


def _draw(terminal: Console, days: Sequence[Covered]) -> None:
    blocks, width = _fitting(terminal.width, days)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in _COLUMNS:
        table.add_column(column, no_wrap=True, justify="left" if column == "topic" else "right")
    table.columns[0].overflow = "ellipsis"
    table.columns[0].max_width = width
    table.add_column(_ruler(blocks), no_wrap=True)
    for day in days:
        table.add_row(*map(Text, _cells(day)), _coloured(bar(day, blocks)))
    terminal.print(table)
    terminal.print()
    legend = Text(LEGEND + "; ")
    legend.append("a gap in it", _GAP_STYLES[PARTLY]).append(", ")
    legend.append("nothing but gaps", _GAP_STYLES[NOTHING])
    terminal.print(legend)


def _fitting(width: int, days: Sequence[Covered]) -> tuple[int, int]:
    """How many blocks there is room for beside the other columns, and how wide topics can be."""
    columns = zip(*[_COLUMNS, *map(_cells, days)], strict=True)
    topics, *others = (max(map(len, column)) + _PADDING for column in columns)
    topics = min(topics, _WIDEST + _PADDING)
    left = width - sum(others)
    blocks = next((blocks for blocks in _BLOCKS if topics + blocks <= left), _BLOCKS[-1])
    return blocks, max(min(topics, left - blocks) - _PADDING, _NARROWEST)


def _ruler(blocks: int) -> str:
    """Hours above their blocks.

    >>> _ruler(24)
    '0     6     12    18    '
    """
    return "".join(f"{hour:<{blocks // 4}}" for hour in (0, 6, 12, 18))


def _coloured(blocks: Sequence[tuple[str, bool]]) -> Text:
    text = Text()
    for (said, has_gap), run in groupby(blocks):
        style = _GAP_STYLES.get(said) if has_gap else None
        text.append(said * len(list(run)), style or _STYLES[said])
    return text
