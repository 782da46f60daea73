"""Anybody's tools open the rows by their Hive partitions, with exact decimals."""

from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pandas as pd  # type: ignore[import-untyped]  # has no type information
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from schemas.tables import TABLES
from tape.layout import Tape

DAY = "2026-11-22"
MOST_PRICE = Decimal("999999999.999999999")
MOST_QTY = Decimal("999999999999.999999")
TINY = (Decimal("0.000000001"), Decimal("0.000001"))

# symbol, price, qty of the rows of the fixture `whole`, in order of seq
EXPECTED = {
    ("ETH_USDC", Decimal("123.45"), Decimal("0.000001")),
    ("2Z_USDC", Decimal("0.000000001"), Decimal(0)),
    ("ETH_USDC", MOST_PRICE, MOST_QTY),
    ("A/B_USDC", *TINY),
    ("ETH_USDC", *TINY),
}


def lines(table: pa.Table) -> set[tuple[Any, ...]]:
    return {tuple(line.values()) for line in table.select(["symbol", "price", "qty"]).to_pylist()}


def test_pyarrow(whole: Tape) -> None:
    table = ds.dataset(whole.root / "rows" / "depth", partitioning="hive").to_table()
    assert lines(table) == EXPECTED
    assert set(table.column("date").to_pylist()) == {DAY}
    assert pa.types.is_timestamp(table.schema.field("ts_recv").type)


def test_polars(whole: Tape) -> None:
    frame = pl.scan_parquet(whole.root / "rows" / "depth", hive_partitioning=True).collect()
    assert set(frame.select("symbol", "price", "qty").iter_rows()) == EXPECTED
    assert frame.schema["price"] == pl.Decimal(18, 9)
    assert frame.schema["ts_recv"] == pl.Datetime("ns", "UTC")
    assert set(frame["date"].to_list()) == {date.fromisoformat(DAY)}


def test_duckdb(whole: Tape) -> None:
    with duckdb.connect() as base:
        base.execute(
            "select symbol, price, qty, typeof(price), typeof(qty)"
            " from read_parquet(?, hive_partitioning = true)",
            [f"{whole.root}/rows/depth/**/*.parquet"],
        )
        found = base.fetchall()
    assert {line[:3] for line in found} == EXPECTED
    assert {line[3:] for line in found} == {("DECIMAL(18,9)", "DECIMAL(18,6)")}


def test_pandas(whole: Tape) -> None:
    frame = pd.read_parquet(whole.root / "rows" / "depth")
    assert set(frame[["symbol", "price", "qty"]].itertuples(index=False, name=None)) == EXPECTED


def test_rows_about_no_market(whole: Tape) -> None:
    folder = whole.root / "rows" / "gap"
    expected = {"SOL_USDC", None}
    assert set(pl.scan_parquet(folder, hive_partitioning=True).collect()["symbol"]) == expected
    assert set(ds.dataset(folder, partitioning="hive").to_table()["symbol"].to_pylist()) == expected
    # pandas alone takes partitions for categories, and those cannot have a null among them.
    frame = pd.read_parquet(folder, partitioning=ds.partitioning(flavor="hive"))
    assert {None if pd.isna(symbol) else symbol for symbol in frame["symbol"]} == expected


@pytest.mark.parametrize("table", ["depth", "gap"])
def test_filters_by_partition_open_only_what_they_need(whole: Tape, table: str) -> None:
    dataset = ds.dataset(whole.root / "rows" / table, partitioning="hive")
    wanted = (ds.field("date") == DAY) & (ds.field("symbol") == "ETH_USDC")
    fragments = list(dataset.get_fragments(filter=wanted))
    assert len(fragments) == (2 if table == "depth" else 0)
    assert table in TABLES


def test_frames_open_too(whole: Tape) -> None:
    frame = pl.scan_parquet(whole.root / "frames", hive_partitioning=True)
    found = frame.filter(pl.col("topic") == "depth.SOL_USDC").collect()
    assert found.select("seq", "kind").rows() == [(4, "data")]
    assert found["payload"][0].startswith(b'{"data"')
