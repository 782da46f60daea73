"""Frames and rows to Arrow columns and back, exactly.

Prices, quantities and times are ints already: their int64 array is given the type of the
column without touching a value (design section 3).
"""

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import msgspec
import pyarrow as pa

from schemas.arrow import FRAMES, PARTITIONS, Column, columns, schema, whole_schema
from schemas.frames import Frame, Kind
from schemas.rows import Row
from schemas.wire import Envelope, decoder

# Topics of websocket messages are made from their payload at sealing and are not the frame's own.
_TOPIC_MADE = frozenset({Kind.DATA, Kind.BINARY})
_KINDS = {kind.value: kind for kind in Kind}
_ENVELOPE: msgspec.json.Decoder[Envelope] = decoder(Envelope)


def rows_to_arrow(row: type[Row], rows: Sequence[Row]) -> pa.RecordBatch:
    """Rows of one table and one symbol as columns; the symbol is in the path, not in here."""
    table = schema(row)
    by_column = zip(
        row.__struct_fields__, _transposed(rows, len(row.__struct_fields__)), strict=True
    )
    kept = [values for name, values in by_column if name not in PARTITIONS]
    arrays = [_array(values, field.type) for values, field in zip(kept, table, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=table)


def arrow_to_rows(row: type[Row], symbol: str | None, batch: pa.RecordBatch) -> list[Row]:
    """The inverse of `rows_to_arrow`, also for tables of an older schema.

    Raises KeyError for a missing column, ValueError or pyarrow.ArrowException for one of another
    kind.
    """
    by_column = [_values(column, symbol, batch) for column in columns(row)]
    return list(map(row, *by_column))


def whole_batch(row: type[Row], symbol: str | None, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Columns of a file, of whatever schema, as those of `schemas.arrow.whole_schema`.

    Raises as `arrow_to_rows`.
    """
    arrays = [_whole_column(column, symbol, batch) for column in columns(row)]
    return pa.RecordBatch.from_arrays(arrays, schema=whole_schema(row))


def frames_to_arrow(frames: Sequence[Frame], topics: Sequence[str | None]) -> pa.RecordBatch:
    """Frames as columns, with the topic each is filed under (see `filed_topic`)."""
    by_column = _transposed(frames, len(FRAMES))
    by_column[FRAMES.get_field_index("topic")] = topics
    arrays = [_array(values, field.type) for values, field in zip(by_column, FRAMES, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=FRAMES)


def arrow_to_frames(batch: pa.RecordBatch) -> list[Frame]:
    """The inverse of `frames_to_arrow`: topics made at sealing are taken off again.

    Raises as `arrow_to_rows`; KeyError for a kind of frame this version does not know, ValueError
    for a value that is missing.
    """
    _check_no_nulls(batch)
    seqs, received, monos, conns, names, topics, payloads = (
        _plain(batch.column(field.name), field.type) for field in FRAMES
    )
    kinds = [_KINDS[name] for name in names]
    own = ["" if kind in _TOPIC_MADE else topic for kind, topic in zip(kinds, topics, strict=True)]
    if None in own:
        raise ValueError("a frame of ours has no topic")
    return list(map(Frame, seqs, received, monos, conns, kinds, own, payloads))


def filed_topic(frame: Frame) -> str | None:
    """What the ``topic`` column says: the stream of a websocket message, None if unreadable.

    All other kinds of frame have a topic of their own.
    """
    if frame.kind not in _TOPIC_MADE:
        return frame.topic
    try:
        return _ENVELOPE.decode(frame.payload).stream
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _check_no_nulls(batch: pa.RecordBatch) -> None:
    for field in FRAMES:
        if not field.nullable and batch.column(field.name).null_count:
            raise ValueError(f"{field.name} is missing in a frame")


def _transposed(structs: Iterable[msgspec.Struct], width: int) -> list[Sequence[Any]]:
    return list(zip(*map(msgspec.structs.astuple, structs), strict=True)) or [()] * width


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_decimal64(kind) or pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).view(kind)
    return pa.array(values, kind)


def _values(column: Column, symbol: str | None, batch: pa.RecordBatch) -> Iterable[Any]:
    if column.name in PARTITIONS:
        return repeat(symbol, batch.num_rows)
    if column.added is not None and column.name not in batch.schema.names:
        return repeat(column.added.value, batch.num_rows)
    return _plain(batch.column(column.name), column.arrow)


def _whole_column(column: Column, symbol: str | None, batch: pa.RecordBatch) -> pa.Array:
    if column.name in PARTITIONS:
        return pa.repeat(pa.scalar(symbol, column.arrow), batch.num_rows)
    if column.added is not None and column.name not in batch.schema.names:
        return pa.repeat(pa.scalar(column.added.value, column.arrow), batch.num_rows)
    return batch.column(column.name).cast(column.arrow)


def _plain(array: pa.Array, kind: pa.DataType) -> list[Any]:
    if array.type != kind:
        array = array.cast(kind)
    if pa.types.is_decimal64(kind) or pa.types.is_timestamp(kind):
        array = array.view(pa.int64())
    values: list[Any] = array.to_pylist()
    return values
