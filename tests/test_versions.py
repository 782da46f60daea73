"""Recordings of all formats there ever were can be read, sealed and replayed; later ones are
refused with the version that can."""

import re
import shutil
import struct
from collections import Counter
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from market.engine import Engine
from recorder.session import new_session
from recorder.stamp import now
from replay.certificate import Outcome
from replay.certify import certify
from replay.cli import replay as bp_replay
from replay.replay import Replay
from schemas.digest import Witness
from schemas.errors import TooNew
from schemas.rows import SCHEMA, Gap
from tape.cli import cli as bp_tape
from tape.journal import JournalWriter
from tape.journal_reader import read_journal
from tape.layout import SegmentName, Tape
from tape.manifest import Origin, load, save
from tape.parquet import measure
from tape.reader import read_frames, read_rows, segments
from tape.seal import seal
from tape.verify import verify
from tape.version import FORMAT
from tests import versions

FORMATS = sorted(path.name for path in versions.FOLDER.iterdir())


@pytest.fixture(scope="module", params=FORMATS)
def tape(request: pytest.FixtureRequest) -> Tape:
    """As it lies in the project's folder: not to be changed."""
    return Tape(versions.FOLDER / str(request.param))


@pytest.fixture
def copy(tape: Tape, tmp_path: Path) -> Tape:
    """The same, to be changed."""
    shutil.copytree(tape.root, tmp_path / "copy")
    return Tape(tmp_path / "copy")


def test_there_is_one_of_each_format() -> None:
    assert [str(number) for number in range(1, FORMAT + 1)] == FORMATS


def test_manifests_say_what_wrote_them(tape: Tape) -> None:
    found = segments(tape)
    assert {str(manifest.format) for manifest in found} == {tape.root.name}
    assert {manifest.rows_schema for manifest in found} <= set(range(1, SCHEMA + 1))


def test_all_frames_can_be_read(tape: Tape) -> None:
    for manifest in segments(tape):
        witness = Witness()
        for frame in read_frames(tape, manifest):
            witness.see(frame, ())
        assert witness.count == manifest.frames
        assert witness.checkpoint().frames == manifest.frames_digest


def test_all_rows_can_be_read(tape: Tape) -> None:
    for manifest in segments(tape):
        rows = Counter[str]()
        for entry in manifest.files:
            if entry.table != "frames":
                rows.update(row.TABLE for batch in read_rows(tape, entry) for row in batch)
        assert rows == manifest.rows


def test_later_ones_have_all_generations() -> None:
    for folder in FORMATS[1:]:
        tape = Tape(versions.FOLDER / folder)
        origins = {manifest.origin for manifest in segments(tape)}
        assert origins == set(Origin)
        assert {manifest.generation for manifest in segments(tape)} == {0, 1}


def test_gaps_of_format_1_are_open() -> None:
    """It said only that something is missing, never how that ended."""
    tape = Tape(versions.FOLDER / "1")
    entries = [entry for manifest in segments(tape) for entry in manifest.files_of("gap")]
    gaps = [row for entry in entries for rows in read_rows(tape, entry) for row in rows]
    assert len(gaps) > 20
    for gap in gaps:
        assert isinstance(gap, Gap)
        assert (gap.state, gap.ts_until, gap.resync_id) == ("open", None, None)


def test_it_replays(tape: Tape) -> None:
    rows = Counter(row.TABLE for row in Replay(tape.root))
    assert min(rows[table] for table in ("depth", "trade", "gap", "reject", "session")) > 3


def test_it_is_whole(tape: Tape) -> None:
    found = verify(tape)
    assert {finding.path for finding in found} == {"journal/20260902T164400Z.00001.journal.zst"}
    assert not any(finding.damage for finding in found)


def test_its_frames_are_certified(tape: Tape) -> None:
    certificate = certify(tape.root)
    assert certificate.outcome in (Outcome.CERTIFIED, Outcome.FRAMES)
    assert len(certificate.segments) == len(segments(tape)) >= 4
    assert {segment.findings for segment in certificate.segments} == {()}


def test_its_journal_can_be_read_and_sealed(copy: Tape) -> None:
    [journal] = copy.journals()
    reader = read_journal(journal)
    frames = list(reader)
    assert len(frames) > 20
    manifest = seal(journal, copy, Engine())
    assert manifest is not None
    assert list(read_frames(copy, manifest)) == frames
    assert manifest.format == FORMAT
    assert not any(finding.damage for finding in verify(copy))
    assert certify(copy.root).outcome is Outcome.RECOVERED


def raised(tape: Tape, **changes: Any) -> Path:
    """The last manifest, as a later version would have written it."""
    path = tape.manifests()[-1]
    save(replace(load(path), code="9.8.7", **changes), tape)
    return path


def relabelled(tape: Tape, **labels: str) -> Path:
    """The first file of frames with other labels, as its manifest says."""
    manifest = load(tape.manifests()[0])
    (entry,) = manifest.files_of("frames")
    path = tape.root / entry.path
    table = pq.ParquetFile(path).read()
    with pq.ParquetWriter(path, table.schema, store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(labels)
    changed = replace(entry, **measure(path)._asdict())
    save(replace(manifest, files=[changed, *manifest.files[1:]]), tape)
    return path


LATER = [
    ({"format": FORMAT + 1}, f"has format {FORMAT + 1}, this version ("),
    ({"rows_schema": SCHEMA + 1}, f"has rows of schema {SCHEMA + 1}, this version ("),
]


@pytest.mark.parametrize(("changes", "said"), LATER)
def test_a_later_manifest_is_refused(copy: Tape, changes: dict[str, int], said: str) -> None:
    """`verify` checks what it can, and it is no damage."""
    path = raised(copy, **changes)
    for command, words, code in (
        (bp_tape, ["ls"], 1),
        (bp_tape, ["info"], 1),
        (bp_tape, ["verify"], 3),
        (bp_replay, [], 1),
        (bp_replay, ["--certify"], 1),
    ):
        done = CliRunner().invoke(command, [*words, str(copy.root)])
        assert done.exit_code == code
        assert isinstance(done.exception, SystemExit)
        assert f"{path.name} {said}" in done.output
        assert "install backpack-recorder 9.8.7" in done.output


@pytest.mark.parametrize(("changes", "said"), LATER)
def test_nothing_is_recorded_beside_it(copy: Tape, changes: dict[str, int], said: str) -> None:
    """The later version may have to read it all."""
    raised(copy, **changes)
    with pytest.raises(TooNew, match=re.escape(said)):
        new_session(copy, now())


def test_a_later_file_is_refused(copy: Tape) -> None:
    path = relabelled(copy, format=str(FORMAT + 1), code="9.8.7")
    with pytest.raises(TooNew, match=f"{path.name} has format {FORMAT + 1}, .* 9.8.7"):
        list(read_frames(copy, segments(copy)[0]))
    (finding,) = (finding for finding in verify(copy) if finding.path.endswith(path.name))
    assert not finding.damage
    assert "install backpack-recorder 9.8.7" in finding.problem
    path = relabelled(copy, format="1", schema=str(SCHEMA + 1))
    with pytest.raises(TooNew, match=f"{path.name} has rows of schema {SCHEMA + 1}, "):
        list(read_frames(copy, segments(copy)[0]))


def test_a_later_journal_is_kept_as_it_is(tmp_path: Path) -> None:
    """Even if this version could make nothing of its batches."""
    path = Tape(tmp_path).journal(SegmentName("20300101T000000Z", 1))
    path.parent.mkdir()
    batch = b"no such thing was known in the days of format 2"
    seal_ = struct.pack("<5I", 0x184D2A50, 16, FORMAT + 1, len(batch), crc32(batch))
    path.write_bytes(seal_ + struct.pack("<I", crc32(seal_)) + batch)
    before = path.read_bytes()
    with pytest.raises(TooNew, match=f"has format {FORMAT + 1}, .* install a newer version"):
        seal(path, Tape(tmp_path), Engine())
    assert path.read_bytes() == before
    assert [finding.damage for finding in verify(Tape(tmp_path))] == [False, True]


def test_a_later_journal_names_what_can_read_it(tmp_path: Path) -> None:
    """As far as its head can be read."""
    path = Tape(tmp_path).journal(SegmentName("20260902T164400Z", 1))
    [before] = Tape(versions.FOLDER / "1").journals()
    first, *others = read_journal(before)
    head = msgspec.json.decode(first.payload) | {"format": FORMAT + 1, "code": "9.8.7"}
    writer = JournalWriter(path)
    for frame in (replace(first, payload=msgspec.json.encode(head)), *others):
        writer.append(frame)
    writer.close()
    with pytest.raises(TooNew, match=f"has format {FORMAT + 1}, .* install .* 9.8.7"):
        list(read_journal(path))
