"""Every unit of the wire to ns (protocol fact 8)."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.errors import InexactNumber
from schemas.times import iso, optional_micros, optional_millis


@given(st.integers(0, 2**53))
def test_micros_and_millis(value: int) -> None:
    """As whole numbers; nothing stays nothing."""
    assert optional_micros(value) == int(f"{value}000")
    assert optional_millis(value) == int(f"{value}000000")
    assert optional_micros(None) is None
    assert optional_millis(None) is None


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2262, 4, 11)),
    st.sampled_from(["T", " "]),
    st.sampled_from(["", "Z", "+00:00"]),
)
@example(datetime(2026, 9, 2, 16, 43), "T", "")
@example(datetime(2026, 9, 2, 16, 43), " ", "")
def test_iso_texts_are_utc(moment: datetime, separator: str, zone: str) -> None:
    """Websocket and REST spelling; digit by digit, with no help of ``timestamp()``."""
    text = moment.isoformat(separator) + zone
    days = moment.date().toordinal() - datetime(1970, 1, 1).date().toordinal()
    seconds = ((days * 24 + moment.hour) * 60 + moment.minute) * 60 + moment.second
    assert iso(text) == (seconds * 1_000_000 + moment.microsecond) * 1_000


def test_another_zone_is_taken_at_its_word() -> None:
    """None was seen; it would be wrong to drop it."""
    assert iso("2026-09-02T18:43:00+02:00") == iso("2026-09-02T16:43:00")


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2026-13-01T00:00:00", "2026-02-30", "1788367380", "2026-09-02T25:00:00"),
        *("1969-12-31T23:59:59.999999", "2262-04-12T00:00:00", "9999-12-31T23:59:59-23:59"),
        *(
            "0001-01-01T00:00:00+23:59",
            "2026-09-02T16:43:00.1234567",
            "2026-09-02T16:43:00,0000001",
        ),
    ],
)
def test_what_is_no_time_or_fits_no_column_is_refused(text: str) -> None:
    """Nothing is rounded, and no column holds times before 1970."""
    with pytest.raises(InexactNumber):
        iso(text)


def test_superfluous_zeros_are_no_digits() -> None:
    """As with prices."""
    assert iso("2026-09-02T16:43:00.100000000") == iso("2026-09-02T16:43:00.1")
    assert datetime.fromtimestamp(iso("2026-09-02") // 10**9, UTC).isoformat() == (
        "2026-09-02T00:00:00+00:00"
    )
