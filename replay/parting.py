"""Where stored rows and the rows of a replay part, to the row, the column and both values."""

from collections.abc import Iterable

import msgspec

from replay.certificate import Finding, Parting
from replay.parts import Part, StoredRows, part_of
from replay.printer import shown
from schemas.frames import Frame
from schemas.rows import Row
from tape.columns import filed_topic

# Encoded values are compared, as digests do: what differs for them is found here.
_encode = msgspec.msgpack.Encoder().encode
_to_json = msgspec.json.Encoder().encode


class PartingSearch:
    """Finds, for each of some parts, the first row that the file and the replay do not share."""

    def __init__(self, stored: StoredRows, parts: Iterable[Part]) -> None:
        self.found: list[Finding] = []
        self._stored = stored
        self._open = {part: stored.rows(part) for part in parts}

    @property
    def done(self) -> bool:
        """Whether nothing is left to find."""
        return not self._open

    def see(self, frame: Frame, rows: Iterable[Row]) -> None:
        """Take the next frame of the replay and its rows."""
        for row in rows:
            part = part_of(row)
            stored = self._open.get(part)
            if stored is None:
                continue
            recorded = next(stored, None)
            if recorded is None or _encode(recorded) != _encode(row):
                del self._open[part]
                self.found.append(_parting(self._stored.path(part), recorded, row, frame))

    def finish(self) -> None:
        """The replay is over: what is stored beyond it is too much."""
        for part, stored in self._open.items():
            recorded = next(stored, None)
            if recorded is not None:
                self.found.append(_surplus(self._stored.path(part), recorded))
        self._open.clear()


def _parting(file: str, recorded: Row | None, replayed: Row, frame: Frame) -> Parting:
    column, values = _difference(recorded, replayed)
    return Parting(
        problem=_sentence(file, replayed.TABLE, column, values),
        first_seq=frame.seq,
        last_seq=frame.seq,
        ts_recv=frame.ts_recv,
        topic=filed_topic(frame) or frame.kind.value,
        file=file,
        table=replayed.TABLE,
        column=column,
        recorded=values[0],
        replayed=values[1],
    )


def _surplus(file: str, recorded: Row) -> Parting:
    values = (_text(shown(recorded)), None)
    return Parting(
        problem=_sentence(file, recorded.TABLE, None, values),
        first_seq=recorded.seq,
        last_seq=recorded.seq,
        ts_recv=recorded.ts_recv,
        file=file,
        table=recorded.TABLE,
        column=None,
        recorded=values[0],
        replayed=None,
    )


def _difference(
    recorded: Row | None, replayed: Row
) -> tuple[str | None, tuple[str | None, str | None]]:
    """The first column that differs with both values, or no column and the only row."""
    right = shown(replayed)
    if recorded is None:
        return None, (None, _text(right))
    left = shown(recorded)
    for column in left.__struct_fields__:
        values = getattr(left, column), getattr(right, column)
        if _encode(values[0]) != _encode(values[1]):
            return column, (_text(values[0]), _text(values[1]))
    return None, (_text(left), _text(right))


def _sentence(
    file: str, table: str, column: str | None, values: tuple[str | None, str | None]
) -> str:
    recorded, replayed = (value or "no further row" for value in values)
    what = f"{table}.{column}" if column else f"a row of {table}"
    return f"{what}: recorded {recorded}, replay gives {replayed} (in {file})"


def _text(value: object) -> str:
    return _to_json(value).decode()
