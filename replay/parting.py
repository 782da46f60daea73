"""Where stored rows and the rows of a replay part, to the row, the column and both values."""

from collections.abc import Iterable

import msgspec

from replay.certificate import Finding, Parting
from replay.parts import Part, Sorter, StoredRows
from replay.printer import shown
from schemas.frames import Frame
from schemas.rows import Row
from tape.columns import filed_topic

# Encoded values are compared, as digests do: what differs for them is found here.
_encode = msgspec.msgpack.Encoder().encode
_to_json = msgspec.json.Encoder().encode


class PartingSearch:
    """Finds, for each of some parts, the first row that the file and the replay do not share."""

    def __init__(self, stored: StoredRows, parts: Iterable[Part], sorter: Sorter) -> None:
        self.found: list[Finding] = []
        self._stored = stored
        self._sorter = sorter
        self._open = {part: stored.rows(part) for part in parts}

    @property
    def done(self) -> bool:
        """Whether nothing is left to find."""
        return not self._open

    def see(self, frame: Frame, rows: Iterable[Row]) -> None:
        """Take the next frame of the replay and its rows."""
        for part, row in self._sorter.see(frame, rows):
            stored = self._open.get(part)
            if stored is None:
                continue
            recorded = next(stored, None)
            if recorded is None or _encode(recorded) != _encode(row):
                del self._open[part]
                self._part(part, frame, recorded, row)

    def finish(self) -> None:
        """The replay is over: what is stored beyond it is too much."""
        for part, stored in self._open.items():
            recorded = next(stored, None)
            if recorded is not None:
                self._part(part, None, recorded, None)
        self._open.clear()

    def _part(
        self, part: Part, frame: Frame | None, recorded: Row | None, replayed: Row | None
    ) -> None:
        """Two rows that should be one. Of different frames, only the earlier parts them."""
        if recorded and replayed and recorded.seq != replayed.seq:
            if recorded.seq < replayed.seq:
                replayed = None
            else:
                recorded = None
        if replayed is None and recorded is not None:
            frame = self._stored.frame(recorded.seq)
        self.found.append(_parting(self._stored.path(part), frame, recorded, replayed))


def _parting(file: str, frame: Frame | None, recorded: Row | None, replayed: Row | None) -> Parting:
    row = replayed or recorded
    assert row is not None, "a parting has a row on one side"
    column, texts = _difference(recorded, replayed)
    what = f"{row.TABLE}.{column}" if column else f"a row of {row.TABLE}"
    said = [text or "nothing" for text in texts]
    return Parting(
        problem=f"{what}: recorded {said[0]}, replay gives {said[1]} (in {file})",
        first_seq=row.seq,
        last_seq=row.seq,
        ts_recv=row.ts_recv if frame is None else frame.ts_recv,
        topic=None if frame is None else filed_topic(frame) or frame.kind.value,
        file=file,
        table=row.TABLE,
        column=column,
        recorded=texts[0],
        replayed=texts[1],
    )


def _difference(
    recorded: Row | None, replayed: Row | None
) -> tuple[str | None, tuple[str | None, str | None]]:
    """The first column that differs and both values; no column and whole rows if one is missing."""
    if recorded is None or replayed is None:
        rows = [None if row is None else _text(shown(row)) for row in (recorded, replayed)]
        return None, (rows[0], rows[1])
    left, right = shown(recorded), shown(replayed)
    for column in left.__struct_fields__:
        texts = _text(getattr(left, column)), _text(getattr(right, column))
        if texts[0] != texts[1]:
            return column, texts
    return None, (_text(left), _text(right))


def _text(value: object) -> str:
    return _to_json(value).decode()
