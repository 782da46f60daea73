"""Lines of several files in one order; columns as texts."""

import csv
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import chain

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from schemas.numbers import pretty
from tape.confluence import Source, confluence
from tape.moment import stamp
from tape.texts import csv_cells, readable

# Batches of seqs in order, none empty.
files = st.lists(
    st.lists(st.integers(0, 12), max_size=12).map(sorted).flatmap(
        lambda seqs: st.integers(1, 4).map(
            lambda size: [seqs[at : at + size] for at in range(0, len(seqs), size)]
        )
    ),
    max_size=5,
)  # fmt: skip


class Opened:
    """A file that counts who has opened it."""

    def __init__(self, name: int, batches: Sequence[Sequence[int]]) -> None:
        self.name = name
        self.seqs = list(chain.from_iterable(batches))
        self.source = Source(min(self.seqs, default=0), self._read)
        self.is_open = False
        self._batches = batches

    def _read(self) -> Iterator[pa.RecordBatch]:
        self.is_open = True
        place = 0
        for seqs in self._batches:
            places = list(range(place, place + len(seqs)))
            columns = [seqs, [self.name] * len(seqs), places]
            arrays = [pa.array(column, pa.int64()) for column in columns]
            yield pa.RecordBatch.from_arrays(arrays, ["seq", "file", "place"])
            place += len(seqs)


@given(files)
def test_lines_are_sorted_and_files_opened_when_due(
    batches: list[list[list[int]]],
) -> None:
    opened = [Opened(name, each) for name, each in enumerate(batches)]
    model = sorted(
        (seq, file.name, place) for file in opened for place, seq in enumerate(file.seqs)
    )
    found = []
    for batch in confluence([file.source for file in opened]):
        assert batch.num_rows
        found += list(zip(*batch.to_pydict().values(), strict=True))
        ends = [file for file in opened if file.is_open and file.seqs]
        waiting = [file for file in opened if not file.is_open and file.seqs]
        assert all(min(file.seqs) > found[-1][0] for file in waiting), ends
    assert found == model


ints = st.lists(st.none() | st.integers(-(10**18) + 1, 10**18 - 1))


@given(ints, st.sampled_from([6, 9]), st.integers(0, 3))
def test_decimals_are_in_their_shortest_form(
    values: list[int | None], digits: int, start: int
) -> None:
    column = pa.array(values, pa.int64()).view(pa.decimal64(18, digits)).slice(start)
    texts = [None if value is None else pretty(value, digits) for value in values[start:]]
    assert readable(column).to_pylist() == texts
    assert csv_cells(column).to_pylist() == texts


@given(st.lists(st.none() | st.integers(-(10**38) + 1, 10**38 - 1)), st.sampled_from([18, 30]))
def test_so_are_wide_ones(values: list[int | None], digits: int) -> None:
    """Python's own text of them is the model."""
    units = [None if v is None else Decimal(f"{v}e-{digits}") for v in values]
    texts = [None if unit is None else format(unit, "f") for unit in units]
    short = [t if t is None or "." not in t else t.rstrip("0").rstrip(".") for t in texts]
    assert readable(pa.array(units, pa.decimal128(38, digits))).to_pylist() == short


@given(st.lists(st.none() | st.integers(0, 2**63 - 1)))
def test_times_have_nanoseconds(values: list[int | None]) -> None:
    column = pa.array(values, pa.int64()).view(pa.timestamp("ns", "UTC"))
    assert readable(column).to_pylist() == [None if v is None else stamp(v) for v in values]


@given(st.lists(st.tuples(st.none() | st.text(), st.text()), min_size=1))
def test_a_csv_reader_reads_the_texts_again(lines: list[tuple[str | None, str]]) -> None:
    columns = [csv_cells(pa.array(column, pa.string())) for column in zip(*lines, strict=True)]
    cells = zip(*(column.to_pylist() for column in columns), strict=True)
    written = [",".join(cell or "" for cell in line) + "\n" for line in cells]
    assert list(csv.reader(written)) == [[one or "", other] for one, other in lines]
    assert [line[0] for line in written] == [
        "," if one is None else '"' if not one or set(one) & set('",\r\n') else one[0]
        for one, _ in lines
    ]
