"""A manifest proves itself: by its second line, its name, its format."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from schemas.errors import TapeError, TooNew
from tape.layout import SegmentName, Tape
from tape.manifest import Manifest, load, outline, save
from tape.reader import segments
from tape.version import FORMAT
from tests.shared import ROOT
from tests.tape.dumb import NAME

SECOND = SegmentName(NAME.session, 2)
OLD = ROOT / "data" / "versions" / "1" / "manifest" / "20260902T164310Z.00001.json"


def test_the_second_line_is_the_sha256_of_the_others(whole: Tape) -> None:
    first, second, *others = whole.manifest(NAME).read_bytes().splitlines(keepends=True)
    digest = hashlib.sha256(b"".join([first, *others])).hexdigest()
    assert second == f'  "self_sha256": "{digest}",\n'.encode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace('"verdict": "certified"', '"verdict": "divergent"'), "sha256"),
        (lambda text: text.replace(": ", ":", 1), "sha256"),
        (lambda text: text + "\n", "sha256"),
        (lambda text: text.replace("self_sha256", "self_sha257"), "sha256"),
        (lambda text: text.replace(f'"format": {FORMAT}', '"format": 1'), "sha256"),
        (lambda text: text.replace(f'"format": {FORMAT}', f'"format": {FORMAT + 1}'), "sha256"),
        (lambda text: text.replace(f'"format": {FORMAT}', '"format": 0'), "`int` >= 1"),
        (lambda text: "", "truncated"),
        (lambda text: '{"format": 2, "a": ' + "[" * 100_000, "cannot be read"),
    ],
)
def test_a_changed_manifest_is_damaged(
    whole: Tape, change: Callable[[str], str], said: str
) -> None:
    path = whole.manifest(NAME)
    path.write_text(change(path.read_text()))
    with pytest.raises(TapeError, match=said) as caught:
        load(path)
    assert not isinstance(caught.value, TooNew)
    assert str(path) in str(caught.value)


def test_the_manifest_of_another_segment_is_refused(whole: Tape) -> None:
    shutil.copy(whole.manifest(NAME), whole.manifest(SECOND))
    with pytest.raises(TapeError, match=f"it is that of {NAME}, generation 0"):
        load(whole.manifest(SECOND))
    shutil.copy(whole.manifest(NAME), whole.manifest(NAME, 1))
    with pytest.raises(TapeError, match=f"it is that of {NAME}, generation 0"):
        load(whole.manifest(NAME, 1))


def test_format_1_had_no_checksum(tmp_path: Path) -> None:
    copy = tmp_path / OLD.name
    copy.write_bytes(OLD.read_bytes().replace(b'"rows_schema": 1,', b""))
    assert load(copy) == load(OLD)
    copy.write_bytes(OLD.read_bytes().replace(b'"format": 1', b'"format": 2'))
    with pytest.raises(TapeError, match="sha256"):
        load(copy)


def test_a_later_format_may_prove_itself_in_another_way(tmp_path: Path) -> None:
    copy = tmp_path / OLD.name
    copy.write_text('{"format": 99, "code": "7.0.0", "kinds": "has another meaning"}')
    with pytest.raises(TooNew, match=r"has format 99, this version .* backpack-recorder 7\.0\.0"):
        load(copy)


def test_entries_left_on_disk_are_the_same(whole: Tape) -> None:
    kept, left = load(whole.manifest(NAME)), outline(whole.manifest(NAME))
    assert left == kept
    assert list(left.files) == kept.files
    assert (len(left.files), left.files[0], left.files[1:]) == (
        len(kept.files),
        kept.files[0],
        kept.files[1:],
    )
    assert left.files_of("depth") == kept.files_of("depth")
    for table in (None, "frames", "depth", "none"):
        assert left.stored_bytes(table) == kept.stored_bytes(table)
    assert segments(whole)[0] == kept


def test_entries_left_on_disk_go_into_the_next_generation(whole: Tape) -> None:
    left: Manifest = replace(outline(whole.manifest(NAME)), generation=1)
    save(left, whole)
    assert load(whole.manifest(NAME, 1)).files == load(whole.manifest(NAME)).files


def test_entries_of_a_manifest_that_is_gone_cannot_be_read(whole: Tape) -> None:
    left = outline(whole.manifest(NAME))
    whole.manifest(NAME).unlink()
    with pytest.raises(TapeError, match="No such file"):
        left.files_of("depth")
