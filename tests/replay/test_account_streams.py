"""Recordings with frames of an account: sealed, certified, replayed, compacted; and older ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from shutil import copytree

import pyarrow.dataset as ds
import pytest

from market import lanes
from market.engine import Engine
from market.streams import PUBLIC
from replay import Replay
from replay.certificate import Certificate, Outcome
from replay.certify import certify
from schemas import digest
from schemas.rows import SCHEMA
from schemas.tables import ACCOUNT_TABLES
from tape import draft, segment, trial
from tape.again import seal_again
from tape.compact import compact
from tape.coverage import coverage
from tape.generations import all_generations
from tape.layout import Tape
from tape.manifest import Verdict
from tape.plan import plan
from tape.reader import segments
from tape.seal import seal
from tests import tapes
from tests.market.texts import ACCOUNT, WELL_FORMED
from tests.replay.tampering import change_value, entries_of, findings_of
from tests.tapes import Recording, Setting

TOPICS = ("account.orderUpdate", "account.positionUpdate", "trade.SOL_USDC")
OF_ACCOUNT = {row.TABLE for row in ACCOUNT_TABLES}
NEWS = '{"data":{"e":"news"},"stream":"account.newsUpdate"}'


def record(folder: Path, rolls: int = 1) -> Recording:
    """Every message, and again in each further segment; still being recorded."""
    recording = Recording(folder, Setting(every=5))
    recording.begin(TOPICS)
    recording.connect()
    for number in range(rolls + 1):
        if number:
            recording.roll()
        for text in (*ACCOUNT.values(), WELL_FORMED["trade"], NEWS):
            recording.pass_(1_000_000)
            recording.data(text)
    return recording


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Tape:
    """Of two segments; not to be changed."""
    return record(tmp_path_factory.mktemp("account") / "tape").stop()


@pytest.fixture
def copy(tape: Tape, tmp_path: Path) -> Tape:
    """The same, to be changed."""
    return Tape(copytree(tape.root, tmp_path / "copy"))


def old(folder: Path, patch: pytest.MonkeyPatch, cut: bool = False) -> Tape:
    """As a version recorded it that knew public streams alone. cut: it never sealed its journal."""
    with patch.context() as before:
        before.setattr(lanes, "STREAMS", PUBLIC)
        for room in (tapes, draft, trial):
            before.setattr(room, "SCHEMA", SCHEMA - 1)
        before.setattr(digest, "MEMORY", digest.MEMORY - 1)
        before.setattr(segment.labels, "__defaults__", (SCHEMA - 1,))
        recording = record(folder, rolls=0)
        if cut:
            recording.cut()
        else:
            recording.stop()
    return recording.tape


def notes(certificate: Certificate) -> str:
    return "\n".join(note for found in certificate.segments for note in found.notes)


def test_it_is_certified_and_replays(tape: Tape) -> None:
    certificate = certify(tape)
    assert certificate.outcome is Outcome.CERTIFIED, str(certificate)
    made = Counter(row.TABLE for row in Replay(tape.root))
    assert {table: made[table] for table in OF_ACCOUNT} == {
        "order": 4, "position": 6, "balance": 2, "rfq": 2,
    }  # fmt: skip
    for manifest in segments(tape):
        assert manifest.verdict is Verdict.CERTIFIED
        assert manifest.unknown == {"account.newsUpdate": 1}


def test_balances_lie_where_rows_about_no_market_do(tape: Tape) -> None:
    folder = tape.account_folder / "rows"
    assert [path.name for path in (folder / "balance").glob("date=*/symbol=*")] == [
        "symbol=__HIVE_DEFAULT_PARTITION__"
    ]
    found = ds.dataset(folder / "order", partitioning="hive").to_table()
    assert set(found["symbol"].to_pylist()) == {"ETH_USDC", "AAPL.US_USDC_PERP"}
    assert {str(fee) for fee in found["fee"].to_pylist()} == {"-0.000001000000000000", "None"}


@pytest.mark.parametrize(
    ("pattern", "tables"),
    [
        ("account.*", OF_ACCOUNT),
        ("account.orderUpdate*", {"order"}),
        ("*.ETH_USDC", {"order"}),
        ("*.SOL_USDC", {"trade"}),
        ("account.balanceUpdate", {"balance"}),
    ],
)
def test_they_can_be_asked_for(tape: Tape, pattern: str, tables: set[str]) -> None:
    rows = {row.TABLE for row in Replay(tape.root, topics=[pattern])}
    assert rows & {*OF_ACCOUNT, "trade"} == tables


def test_their_topics_are_covered(tape: Tape) -> None:
    lines = {line.topic: line for line in coverage(tape, segments(tape))}
    assert {*TOPICS, "account.balanceUpdate", "account.rfqUpdate"} <= set(lines)
    assert lines["account.orderUpdate"].covered_ns == lines["trade.SOL_USDC"].covered_ns > 0


def test_they_are_compacted_and_made_anew(copy: Tape) -> None:
    rows = list(Replay(copy.root))
    assert list(compact(copy, plan(copy, all_days=True)))
    assert list(Replay(copy.root)) == rows
    for manifest in all_generations(copy):
        seal_again(copy, manifest, Engine())
    assert certify(copy).outcome is Outcome.CERTIFIED
    assert list(Replay(copy.root)) == rows


def test_a_changed_fill_is_a_finding(copy: Tape) -> None:
    _, entry = entries_of(copy, "order")[0]
    change_value(copy.root / entry.path, 0, "executed_qty", lambda qty: qty + 1)
    certificate = certify(copy)
    assert certificate.outcome is Outcome.FAILED
    assert entry.path in str(certificate)


def test_an_older_one_is_certified_in_its_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It kept these frames as unknown ones; the rows that they make now are no disagreement."""
    tape = old(tmp_path / "old", monkeypatch)
    (manifest,) = segments(tape)
    assert (manifest.rows_schema, manifest.verdict) == (SCHEMA - 1, Verdict.CERTIFIED)
    assert not OF_ACCOUNT & set(manifest.rows)
    certificate = certify(tape)
    assert certificate.outcome is Outcome.FRAMES
    assert findings_of(certificate) == []
    others = ", ".join(sorted(OF_ACCOUNT))
    assert f"this version makes schema {SCHEMA} and other rows of {others}:" in notes(certificate)
    (generations,) = all_generations(tape)
    assert seal_again(tape, generations, Engine()).made
    assert set(segments(tape)[0].rows) >= OF_ACCOUNT
    certificate = certify(tape)
    assert certificate.outcome is Outcome.FRAMES
    assert "the live recorder made rows of an older schema" in notes(certificate)


def test_an_older_one_without_such_frames_is_certified_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All else is as it was."""
    monkeypatch.setattr("tests.replay.test_account_streams.ACCOUNT", {})
    monkeypatch.setattr("tests.replay.test_account_streams.NEWS", WELL_FORMED["ticker"])
    tape = old(tmp_path / "old", monkeypatch)
    assert segments(tape)[0].rows_schema == SCHEMA - 1
    assert certify(tape).outcome is Outcome.CERTIFIED


def test_an_older_journal_is_sealed_and_no_divergence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tape = old(tmp_path / "old", monkeypatch, cut=True)
    (journal,) = tape.journals()
    manifest = seal(journal, tape, Engine())
    assert manifest is not None
    assert (manifest.verdict, manifest.divergence) == (Verdict.RECOVERED, None)
    assert set(manifest.rows) >= OF_ACCOUNT
    assert manifest.rows_schema == SCHEMA
