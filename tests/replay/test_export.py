"""`bp-tape export` against a model that goes row by row; what it leaves out, and for whom it is."""

from __future__ import annotations

import base64
import csv
import json
import shutil
import stat
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from replay.certificate import Outcome
from replay.certify import certify
from schemas.arrow import columns
from schemas.columns import Unit
from schemas.frames import Frame
from schemas.numbers import PRICE_DIGITS, QTY_DIGITS, pretty
from schemas.rows import Row
from schemas.tables import ACCOUNT_TABLES, TABLES
from tape.cli import cli
from tape.columns import filed_topic
from tape.compact import compact
from tape.layout import Tape
from tape.plan import plan
from tape.reader import read_frames, read_rows, segments
from tests.replay.mixed import MARK, MOVES, OF_ACCOUNT, PUBLIC, marked, play
from tests.simulate import Plan
from tests.tapes import START_NS, simulated

ACCOUNT_NAMES = {row.TABLE for row in ACCOUNT_TABLES}
BUSY = (*MOVES, "order", "unread", "trade", "balance", "trade")
DIGITS = {Unit.PRICE: PRICE_DIGITS, Unit.QTY: QTY_DIGITS}


class Asked(NamedTuple):
    """Options, and what they mean to the model. after: seconds from which on."""

    topics: str = "*"
    symbols: str | None = None
    after: int = 0
    public: bool = False

    @property
    def words(self) -> list[str]:
        words = [] if self.topics == "*" else ["--topics", self.topics]
        words += ["--symbol", self.symbols] if self.symbols else []
        words += ["--start", str(START_NS + self.after * 10**9)] if self.after else []
        return words + ["--public-only"] * self.public

    def frame(self, frame: Frame) -> bool:
        """Whether it is asked for."""
        topic = filed_topic(frame)
        about = topic.rpartition("symbol=")[2] if topic and "symbol=" in topic else None
        if topic and not topic.startswith("/"):
            about = topic.rpartition(".")[2] if "." in topic else None
            named = fnmatchcase(topic, self.topics)
        else:
            named = about is None or fnmatchcase(f"depth.{about}", self.topics)
        within = frame.ts_recv >= START_NS + self.after * 10**9
        return named and within and self._symbol(about) and not (self.public and marked(frame))

    def row(self, row: Row, frame: Frame) -> bool:
        """Whether it is asked for."""
        if self.public and (row.TABLE in ACCOUNT_NAMES or marked(frame)):
            return False
        if row.ts_recv < START_NS + self.after * 10**9 or not self._symbol(row.symbol):
            return False
        topic = getattr(row, "topic", None)
        if row.TABLE in ("depth", "book_keyframe"):
            topic = ".".join(filter(None, ("depth", row.window, row.symbol)))  # type: ignore[attr-defined]
        elif row.TABLE in ("session", "clock", "reject", "gap", "audit"):
            if topic is None:
                return True
            topic = f"depth.{row.symbol}" if topic.startswith("/") else topic
        else:
            topic = filed_topic(frame)
        return fnmatchcase(topic or "", self.topics)

    def _symbol(self, symbol: str | None) -> bool:
        return self.symbols is None or fnmatchcase(symbol or "", self.symbols)


@pytest.fixture(scope="module", params=["simulated", "busy"])
def tape(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tape:
    """Recordings of several segments."""
    root = tmp_path_factory.mktemp("exported") / "tape"
    if request.param == "busy":
        return play(root, BUSY, (*PUBLIC, *OF_ACCOUNT)).stop()
    return simulated(root, Plan(seconds=3), rolls=2).tape


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many small batches, so that files are woven together."""
    monkeypatch.setattr("tape.export._ROWS_AT_A_TIME", 400)
    monkeypatch.setattr("tape.export._LEAST_ROWS", 10)
    monkeypatch.setattr("tape.export._FRAMES_AT_A_TIME", 60)
    monkeypatch.setattr("tape.outfile._GROUP_ROWS", 300)
    monkeypatch.setattr("tape.outfile._LINES", 90)


def run(*words: object) -> Result:
    return CliRunner().invoke(cli, ["export", *map(str, words)], catch_exceptions=False)


def frames_of(tape: Tape, asked: Asked) -> Iterator[Frame]:
    for manifest in segments(tape, merge=True):
        yield from filter(asked.frame, read_frames(tape, manifest))


def rows_of(tape: Tape, asked: Asked) -> dict[str, list[Row]]:
    """In order: by segment, frame and symbol."""
    found: dict[str, list[Row]] = {}
    for manifest in segments(tape, merge=True):
        frames = {frame.seq: frame for frame in read_frames(tape, manifest)}
        for table in manifest.rows:
            entries = sorted(manifest.files_of(table), key=lambda e: (e.symbol or "", e.path))
            rows = chain.from_iterable(chain.from_iterable(read_rows(tape, e) for e in entries))
            wanted = [row for row in rows if asked.row(row, frames[row.seq])]
            found.setdefault(table, []).extend(sorted(wanted, key=lambda row: row.seq))
    return {table: rows for table, rows in found.items() if rows}


def text(value: Any, unit: Unit) -> Any:
    """As JSON has it."""
    if value is None:
        return None
    if unit in DIGITS:
        return pretty(value, DIGITS[unit])
    if isinstance(value, Decimal):
        plain = format(value, "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    return iso(value) if unit is Unit.TIME else value


def iso(ns: int) -> str:
    whole = datetime.fromtimestamp(ns // 10**9, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{ns % 10**9:09d}Z"


def texts(rows: Sequence[Row]) -> list[dict[str, Any]]:
    units = {c.name: c.unit for c in columns(type(rows[0]))}
    return [{name: text(getattr(row, name), unit) for name, unit in units.items()} for row in rows]


def exact(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """As Parquet has it; times in ns."""
    units = {c.name: c.unit for c in columns(type(rows[0]))}

    def value(of: Any, unit: Unit) -> Any:
        return Decimal(of).scaleb(-DIGITS[unit]) if of is not None and unit in DIGITS else of

    return [{name: value(getattr(row, name), unit) for name, unit in units.items()} for row in rows]


def parquet(path: Path) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = pq.ParquetFile(path).read().to_pylist()
    for line in lines:
        for name, value in line.items():
            line[name] = value.value if hasattr(value, "value") else value
    return lines


def jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


ASKED = [Asked(), Asked("*.SOL_USDC", "S*", after=1), Asked("*[er].*", public=True)]


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_rows_are_those_of_the_recording(tape: Tape, tmp_path: Path, asked: Asked) -> None:
    expected = rows_of(tape, asked)
    for form, read, model in (("parquet", parquet, exact), ("jsonl", jsonl, texts)):
        result = run(tape.root, tmp_path / form, "--format", form, "--json", *asked.words)
        assert result.exit_code == 0
        made = {each["table"]: Path(each["file"]) for each in json.loads(result.stdout)}
        assert made.keys() == expected.keys()
        for table, path in made.items():
            assert path == tmp_path / form / f"{table}.{form}"
            assert read(path) == model(expected[table]), table


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_frames_are_those_of_the_recording(tape: Tape, tmp_path: Path, asked: Asked) -> None:
    words = ("-t", "frames", tape.root, tmp_path / "out", *asked.words)
    assert run(*words, "--format", "jsonl").exit_code == 0
    found = []
    for line in jsonl(tmp_path / "out/frames.jsonl"):
        assert len({"payload", "payload_base64"} & line.keys()) == 1
        code = line.pop("payload_base64", None)
        payload = base64.b64decode(code) if code else line.pop("payload").encode()
        found.append({**line, "payload": payload})
    model = [
        {
            "seq": frame.seq,
            "ts_recv": iso(frame.ts_recv),
            "ts_mono": frame.ts_mono,
            "conn": frame.conn,
            "kind": frame.kind.value,
            "topic": filed_topic(frame),
            "payload": frame.payload,
        }
        for frame in frames_of(tape, asked)
    ]
    assert found == model
    assert run(*words).exit_code == 0
    lines = parquet(tmp_path / "out/frames.parquet")
    assert [(line["seq"], line["payload"]) for line in lines] == [
        (line["seq"], line["payload"]) for line in model
    ]


def test_csv_says_the_same_also_of_a_compacted_one(tape: Tape, tmp_path: Path) -> None:
    tape = Tape(shutil.copytree(tape.root, tmp_path / "copy"))
    assert list(compact(tape, plan(tape, all_days=True)))
    assert run(tape.root, tmp_path / "out", "--format", "csv").exit_code == 0
    for table, rows in rows_of(tape, Asked()).items():
        with (tmp_path / f"out/{table}.csv").open(newline="") as file:
            head, *lines = csv.reader(file)
        assert head == [column.name for column in columns(type(rows[0]))]
        assert lines == [list(map(cell, line.values())) for line in texts(rows)]


def cell(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Tape:
    """Not to be changed."""
    root = tmp_path_factory.mktemp("busy") / "tape"
    return play(root, [*BUSY, "binary"], (*PUBLIC, *OF_ACCOUNT)).stop()


@pytest.fixture
def copy(busy: Tape, tmp_path: Path) -> Tape:
    """The same, to be changed."""
    return Tape(shutil.copytree(busy.root, tmp_path / "copy"))


def old(root: Path, patch: pytest.MonkeyPatch) -> Tape:
    """As a version sealed it by which nothing lay apart."""
    with patch.context() as before:
        before.setattr("tape.draft.Privacy", Blind)
        before.setattr("tape.spool.is_private_row", lambda row: False)
        tape = play(root, BUSY, (*PUBLIC, *OF_ACCOUNT)).stop()
    assert not tape.account_folder.exists()
    return tape


class Blind:
    def see(self, frame: Frame, topic: str | None) -> bool:
        del frame, topic
        return False


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("apart", [True, False])
def test_nothing_private_is_in_public_files(
    busy: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, apart: bool
) -> None:
    tape = busy if apart else old(tmp_path / "old", monkeypatch)
    for more in (["-t", "frames"], []):
        words = (tape.root, tmp_path / "out", "--format", form, "--public-only", *more)
        assert run(*words).exit_code == 0
    made = sorted((tmp_path / "out").iterdir())
    assert {path.stem for path in made} >= {"frames", "trade", "reject", "session"}
    for path in made:
        shown = repr(parquet(path)) if form == "parquet" else path.read_text()
        assert MARK not in shown
        assert "account." not in shown or path.stem in ("frames", "session")  # what was subscribed
        assert stat.S_IMODE(path.stat().st_mode) & 0o044
    expected = rows_of(tape, Asked(public=True))
    assert {path.stem for path in made} == {"frames", *expected}


def test_files_with_private_lines_are_for_their_owner(busy: Tape, tmp_path: Path) -> None:
    assert run(busy.root, tmp_path / "out", "-t", "frames").exit_code == 0
    result = run(busy.root, tmp_path / "out", "--format", "csv", "--json")
    private = {each["table"] for each in json.loads(result.stdout) if each["account"]}
    assert private >= {*ACCOUNT_NAMES & {"order", "balance"}, "reject", "session"}
    assert "trade" not in private
    for path in (tmp_path / "out").iterdir():
        mode = stat.S_IMODE(path.stat().st_mode)
        assert (mode == 0o600) == (path.stem in private | {"frames"}), path


def test_one_that_was_sealed_before_anything_lay_apart_is_certified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tape = old(tmp_path / "old", monkeypatch)
    assert certify(tape).outcome is Outcome.CERTIFIED
    made = run(tape.root, tmp_path / "out", "--json", "-t", "reject", "-t", "order")
    assert all(each["account"] for each in json.loads(made.stdout))


def test_without_the_folder_of_the_account_only_public_files_are_made(
    copy: Tape, tmp_path: Path
) -> None:
    shutil.rmtree(copy.account_folder)
    result = run(copy.root, tmp_path / "out")
    assert result.exit_code == 1
    assert "account/rows/" in result.output
    assert "--public-only" in result.output
    assert not list((tmp_path / "out").iterdir())
    assert run(copy.root, tmp_path / "out", "--public-only").exit_code == 0


def test_what_is_there_is_not_written_over(busy: Tape, tmp_path: Path) -> None:
    words = (busy.root, tmp_path / "out", "-t", "trade")
    assert run(*words).exit_code == 0
    before = (tmp_path / "out/trade.parquet").stat().st_ino
    result = run(*words)
    assert (result.exit_code, "trade.parquet" in result.output) == (2, True)
    assert (tmp_path / "out/trade.parquet").stat().st_ino == before
    assert run(*words, "--force").exit_code == 0
    assert (tmp_path / "out/trade.parquet").stat().st_ino != before
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["trade.parquet"]
    (tmp_path / "out/trade.parquet").unlink()
    (tmp_path / "out/trade.parquet").symlink_to("elsewhere")  # which is not there
    assert run(*words).exit_code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-t", "trades"], "no table 'trades'; there are: depth,"),
        (["--topics", "trade.NOPE"], "no topic of this recording matches 'trade.NOPE'"),
        (["--symbol", "NOPE*"], "no market here matches 'NOPE*'"),
        (["--start", "06:30", "--until", "06:30"], "--until is not after --start"),
        (["--until", "soon"], "'soon' is not a time"),
        (["-t", "order", "--public-only"], "order is of an account"),
    ],
)
def test_what_cannot_be_is_said(
    busy: Tape, tmp_path: Path, words: Sequence[str], said: str
) -> None:
    result = run(busy.root, tmp_path / "out", *words)
    assert (result.exit_code, said in result.output) == (2, True), result.output
    assert not (tmp_path / "out").exists()


def test_nothing_is_put_into_the_recording(busy: Tape) -> None:
    result = run(busy.root, busy.root / "rows")
    assert (result.exit_code, "in the recording itself" in result.output) == (2, True)


def test_a_table_without_rows_is_an_empty_file_if_asked_for(busy: Tape, tmp_path: Path) -> None:
    result = run(busy.root, tmp_path / "out", "-t", "liquidation", "-t", "trade")
    assert [line.split("\t")[1:3] for line in result.stdout.splitlines()[1:]] == [
        ["trade", str(len(rows_of(busy, Asked())["trade"]))],
        ["liquidation", "0"],
    ]
    empty = pq.ParquetFile(tmp_path / "out/liquidation.parquet").read()
    assert (empty.num_rows, empty.column_names[:4]) == (
        0,
        list(TABLES["trade"].__struct_fields__)[:4],
    )
    result = run(busy.root, tmp_path / "out2", "--until", "2001-09-10")
    assert (result.exit_code, result.stdout) == (0, "nothing to export\n")


def test_a_damaged_file_leaves_nothing(copy: Tape, tmp_path: Path) -> None:
    entry = segments(copy)[0].files_of("trade")[0]
    (copy.root / entry.path).write_bytes(b"PAR1")
    result = run(copy.root, tmp_path / "out")
    assert (result.exit_code, entry.path in result.output) == (1, True)
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_not_sealed_is_named(tmp_path: Path) -> None:
    recording = play(tmp_path / "tape", ["trade", "roll", "trade"])
    recording.cut()
    result = run(tmp_path / "tape", tmp_path / "out", "-t", "trade")
    assert "journals that are not sealed are left out: 1" in result.stderr
    assert result.exit_code == 0
