"""Times as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import UsageError
from tape.moment import length, moment, stamp

FIRST = 1_795_329_000_000_000_001  # 2026-11-22T06:30:00.000000001Z
moments = st.integers(10**18, 2**63 - 1)


@given(ns=moments)
def test_a_stamp_reads_back(ns: int) -> None:
    assert moment(stamp(ns), 0) == ns
    assert moment(str(ns), 0) == ns
    assert moment(ns, 0) == ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2026-11-22T06:30", FIRST - 1),
        ("2026-11-22 06:30:00", FIRST - 1),
        ("2026-11-22T06:30Z", FIRST - 1),
        ("2026-11-22T07:30+01:00", FIRST - 1),
        ("2026-11-22T06:30:00.000000001", FIRST),
        ("2026-11-22T06:30:00.000000001Z", FIRST),
        ("2026-11-22T07:30:00,000000001+01:00", FIRST),
        (" 06:30 ", FIRST - 1),
        ("06:30:00.0000001", FIRST + 99),
        ("2026-11-22", FIRST - 1 - 23_400 * 10**9),
        ("20261122", FIRST - 1 - 23_400 * 10**9),
    ],
)
def test_a_time_may_be_written_in_many_ways(text: str, ns: int) -> None:
    assert moment(text, FIRST) == ns


@pytest.mark.parametrize(
    "value",
    [
        *("", "soon", "25:00", "06:30x", "2026-13-01", "2026-11-22T06:30:00.0000000001"),
        *("1795329000", "0001-01-01", 1_795_329_000, -1, 2**63),
    ],
)
def test_what_is_no_time_is_said_with_examples(value: str | int) -> None:
    with pytest.raises(UsageError, match=r"is not a time.*2026-11-22T06:30") as caught:
        moment(value, FIRST)
    assert str(value) in str(caught.value)


def test_spans_are_for_people() -> None:
    assert length(0) == "0.0 s"
    assert length(61_500_000_000) == "1 min 1.5 s"
    assert length(3_723_400_000_000) == "1 h 2 min 3.4 s"
    assert length(3_600_000_000_000) == "1 h 0 min 0.0 s"
