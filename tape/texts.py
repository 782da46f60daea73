"""Columns as text, exact: decimals in their shortest form, times with nanoseconds."""

import pyarrow as pa
import pyarrow.compute as pc

_TIME = "%Y-%m-%dT%H:%M:%SZ"  # of which Arrow gives the seconds with all their decimals
_QUOTED = r'[",\r\n]|^$'  # an empty text is told from none


def readable(column: pa.Array) -> pa.Array:
    """Decimals and times as text; all others are what they are."""
    if pa.types.is_decimal(column.type):
        return _decimals(column)
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column, _TIME)
    return column


def csv_cells(column: pa.Array) -> pa.Array:
    """Texts as they stand in a line of CSV; null where there is no value."""
    text = readable(column)
    if not pa.types.is_string(column.type):
        return text.cast(pa.string())
    inner = pc.replace_substring(text, '"', '""')
    mark = pa.scalar('"')
    quoted = pc.binary_join_element_wise(mark, inner, mark, "")
    return pc.if_else(pc.match_substring_regex(text, _QUOTED), quoted, text)


def _decimals(column: pa.Array) -> pa.Array:
    """Without an exponent, which Arrow's own text has for what is small."""
    scale = column.type.scale
    wide = column.cast(pa.decimal128(38, scale))
    whole = pa.Array.from_buffers(
        pa.decimal128(38, 0), len(wide), wide.buffers(), wide.null_count, wide.offset
    )
    digits = whole.cast(pa.string())
    sign = pc.if_else(pc.starts_with(digits, "-"), "-", "")
    padded = pc.utf8_lpad(pc.utf8_ltrim(digits, "-"), scale + 1, "0")
    before = pc.utf8_slice_codeunits(padded, 0, -scale)
    after = pc.utf8_slice_codeunits(padded, -scale)
    text = pc.binary_join_element_wise(sign, before, pa.scalar("."), after, "")
    return pc.utf8_rtrim(pc.utf8_rtrim(text, "0"), ".")
