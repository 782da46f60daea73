"""Where files of a segment can lie: no manifest makes anyone read or remove another file."""

import re
from datetime import date

from tape.layout import (
    ACCOUNT,
    FRAMES,
    LOSS_ENDING,
    PARQUET_ENDING,
    ROWS,
    SegmentName,
    symbol_folder,
)

_DAY = r"date=(?P<date>\d{4}-\d\d-\d\d)"
_TOP = rf"(?:{ACCOUNT}/)?"
_FRAMES = re.compile(rf"{_TOP}{FRAMES}/{_DAY}/hour=(?:[01]\d|2[0-3])/(?P<file>[^/]+)", re.ASCII)
_ROWS = re.compile(
    rf"{_TOP}{ROWS}(?:\.g[1-9]\d*)?/(?P<table>[^/]+)/{_DAY}/(?P<symbol>[^/]+)/(?P<file>[^/]+)",
    re.ASCII,
)
_OF_SEVERAL = re.compile(r"\.(\d{5,12})-(\d{5,12})\.g[1-9]\d{,8}\.parquet", re.ASCII)


def holds_frames(path: str, name: SegmentName) -> bool:
    """Whether a file of a segment's frames can lie there.

    >>> name = SegmentName("20261122T063000Z", 3)
    >>> holds_frames("frames/date=2026-11-22/hour=06/20261122T063000Z.00003.parquet", name)
    True
    >>> holds_frames("frames/date=2026-11-22/hour=06/20261122T063000Z.00004.parquet", name)
    False
    """
    found = _FRAMES.fullmatch(path)
    own = (f"{name}{PARQUET_ENDING}", f"{name}{LOSS_ENDING}{PARQUET_ENDING}")
    return found is not None and found["file"] in own and _is_date(found["date"])


def holds_rows(path: str, name: SegmentName, table: str, symbol: str | None) -> bool:
    """Whether a file with rows of a segment can lie there, its own or one of several segments."""
    found = _ROWS.fullmatch(path)
    return (
        found is not None
        and (found["table"], found["symbol"]) == (table, symbol_folder(symbol))
        and (found["file"] == f"{name}{PARQUET_ENDING}" or _is_shared(found["file"], name))
        and _is_date(found["date"])
    )


def _is_shared(file: str, name: SegmentName) -> bool:
    run = _OF_SEVERAL.fullmatch(file.removeprefix(name.session))
    return run is not None and int(run[1]) <= name.number <= int(run[2])


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
