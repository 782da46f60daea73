"""Rows as JSON lines: exact, in order, and flushed when somebody watches."""

import json
from collections.abc import Callable
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest

from replay import Replay
from replay.printer import Printer
from schemas.arrow import columns
from schemas.columns import Unit
from schemas.rows import MarkPrice, Row, Trade
from schemas.tables import TABLES
from tape.layout import Tape
from tape.moment import moment
from tests.tapes import Recording

TRADE = Trade(
    7, 1_795_329_000_000_000_001, None, "SOL_USDC", 1_795_329_000_000_000_000,
    5, 98_970_000_000, 22_390_000, "buy", "1", "2",
)  # fmt: skip


def lines(rows: list[Row]) -> list[dict[str, Any]]:
    out = BytesIO()
    printer = Printer(out)
    printer.print(rows)
    printer.flush()
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_what_a_person_would_want() -> None:
    [line] = lines([TRADE])
    assert line == {
        "table": "trade",
        "seq": 7,
        "ts_recv": "2026-11-22T06:30:00.000000001Z",
        "ts_event": None,
        "symbol": "SOL_USDC",
        "ts_engine": "2026-11-22T06:30:00.000000000Z",
        "trade_id": 5,
        "price": "98.97",
        "qty": "22.39",
        "side": "buy",
        "buyer_order_id": "1",
        "seller_order_id": "2",
        "source": "stream",
    }
    assert next(iter(line)) == "table"


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        ("-0.001922642715878446846441789900", "-0.0019226427158784468464417899"),
        ("0.000000000000000000000000000000", "0"),
        ("100.000000000000000000000000000000", "100"),
        ("0.000000000000000000000000000001", "0.000000000000000000000000000001"),
    ],
)
def test_decimals_are_exact_and_short(rate: str, text: str) -> None:
    row = MarkPrice(1, 10**18, None, "X", None, 1, None, Decimal(rate), None)
    [line] = lines([row])
    assert line["funding_rate"] == text
    assert line["mark_price"] == "0.000000001"


def as_row(line: dict[str, Any]) -> Row:
    """The row again, by the units of its columns."""
    back: dict[Unit, Callable[[Any], Any]] = {
        Unit.TIME: lambda text: moment(text, 0),
        Unit.PRICE: lambda text: int(Decimal(text).scaleb(9)),
        Unit.QTY: lambda text: int(Decimal(text).scaleb(6)),
        Unit.WIDE: Decimal,
        Unit.RATE: Decimal,
    }
    row = TABLES[line.pop("table")]
    values = [
        line[c.name] if line[c.name] is None else back.get(c.unit, lambda v: v)(line[c.name])
        for c in columns(row)
    ]
    assert list(line) == [c.name for c in columns(row)]
    return row(*values)


def test_nothing_is_lost_on_the_way(any_recording: Recording) -> None:
    rows = list(Replay(any_recording.tape.root))
    assert [as_row(line) for line in lines(rows)] == rows


def test_who_watches_sees_each_row_at_once(tape: Tape) -> None:
    watched, batched = BytesIO(), BytesIO()
    eager, lazy = Printer(watched, eager=True), Printer(batched)
    for printer in (eager, lazy):
        printer.print([TRADE])
    assert watched.getvalue().endswith(b"\n")
    assert batched.getvalue() == b""
