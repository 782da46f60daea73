"""The golden tapes: what each is made of, and its text."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

from market.engine import Engine
from schemas.arrow import Column, columns
from schemas.columns import Unit
from schemas.frames import Frame
from schemas.rows import Row
from tests.golden import session
from tests.market.captures import fed
from tests.market.stamps import Stamper
from tests.shared import CAPTURES, sample_texts

FOLDER = Path(__file__).parent
SAMPLES = ("frames", "control_frames", "doc_examples")
SESSION = "session"
REAL = "real.json"
_SCALE = {Unit.PRICE: 9, Unit.QTY: 6}


def sample_frames(name: str) -> list[Frame]:
    """A file of sample frames, stamped, as if they had come on one connection."""
    stamper = Stamper()
    return [stamper.data(text) for text in sample_texts(name)]


def tape(name: str) -> str:
    """The golden text of a tape of samples, or of the session."""
    return lines(session.frames() if name == SESSION else sample_frames(name))


def lines(frames: Iterable[Frame]) -> str:
    """A line for each frame: its kind, the digest of its payload, and its rows."""
    engine = Engine()
    return "".join(_line(frame, engine.feed(frame)) for frame in frames)


def real() -> str:
    """Counts and digests of the real captures."""
    results = {name: fed(name) for name in CAPTURES}
    said = {
        name: {"frames": result.frames, "rows": result.rows, "digest": result.digest}
        for name, result in results.items()
    }
    return json.dumps(said, indent=1) + "\n"


def _line(frame: Frame, rows: list[Row]) -> str:
    digest = sha256(frame.payload).hexdigest()[:16]
    said = {"frame": digest, "kind": frame.kind.value, "rows": [readable(row) for row in rows]}
    return json.dumps(said, ensure_ascii=False) + "\n"


def readable(row: Row) -> dict[str, Any]:
    """A row for people: prices, quantities and times in full, exactly."""
    values = {c.name: _readable(c, getattr(row, c.name)) for c in columns(type(row))}
    return {"table": row.TABLE, **values}


def _readable(column: Column, value: Any) -> Any:
    if value is None:
        return None
    if column.unit is Unit.TIME:
        second = datetime.fromtimestamp(value // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{second}.{value % 10**9:09d}Z"
    if column.unit in _SCALE:
        return _plain(Decimal(value).scaleb(-_SCALE[column.unit]))
    return _plain(value) if isinstance(value, Decimal) else value


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
