"""A manifest that says what cannot be is refused, and nothing is read or removed by what it says.

Those of format 1 have no checksum: whatever an editor makes of them reaches every command.
"""

import json
from pathlib import Path
from shutil import copytree

import pytest

from schemas.errors import TapeError
from tape.compact import compact, finish
from tape.coverage import coverage
from tape.layout import Tape
from tape.manifest import load
from tape.places import holds_frames, holds_rows
from tape.plan import plan
from tape.reader import read_frames, segments
from tape.summary import summarize
from tape.verify import verify
from tests.shared import ROOT
from tests.tape.impossible import DATE, NAME, OWN, REFUSED, UNLIKELY, Edit, put_in_file

FORMAT_1 = ROOT / "data" / "versions" / "1"


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    """A copy of the recording of format 1."""
    return Tape(copytree(FORMAT_1, tmp_path / "tape"))


def edited(tape: Tape, edit: Edit) -> Path:
    path = tape.manifest(NAME)
    manifest = json.loads(path.read_bytes())
    edit(manifest)
    path.write_text(json.dumps(manifest))
    return path


@pytest.mark.parametrize("edit", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused(tape: Tape, edit: Edit) -> None:
    path = edited(tape, edit)
    with pytest.raises(TapeError, match="bp-tape recover makes it anew") as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1_000
    assert f"manifest/{NAME}.json" in {f.path for f in verify(tape) if f.damage}


@pytest.mark.parametrize("edit", UNLIKELY.values(), ids=UNLIKELY)
def test_what_contradicts_itself_ends_nothing(tape: Tape, edit: Edit) -> None:
    edited(tape, edit)
    found = segments(tape)
    assert summarize(tape, found).segments == 4
    try:
        coverage(tape, found)
    except TapeError as error:
        assert str(NAME) in str(error)  # noqa: PT017 - it may also succeed
    assert [frame.seq for frame in read_frames(tape, found[-1])] == list(range(767, 1037))
    for finding in verify(tape):
        assert finding.problem


def test_a_file_outside_of_the_recording_is_never_removed(tape: Tape) -> None:
    """Though the footer and the sha256 that the manifest names are its own."""
    entry = load(tape.manifest(NAME)).files_of("depth")[0]
    outside = tape.root.parent / OWN
    outside.write_bytes((tape.root / entry.path).read_bytes())
    edited(tape, put_in_file("path", f"rows/depth/{DATE}/../../../../{OWN}"))
    finish(tape)
    with pytest.raises(TapeError):
        list(compact(tape, plan(tape)))
    assert outside.exists()


@pytest.mark.parametrize(
    ("file", "can_be"),
    [
        (f"{NAME.session}.00004.parquet", True),
        (f"{NAME.session}.00001-00004.g2.parquet", True),
        (f"{NAME.session}.00005-00009.g2.parquet", False),
        (f"{NAME.session}.00001-00003.g2.parquet", False),
        (f"{NAME.session}.00001-00004.g0.parquet", False),
        ("20260902T164311Z.00001-00004.g2.parquet", False),
        (f"{NAME.session}.00003.parquet", False),
        (f"{NAME.session}.00004.loss.parquet", False),
    ],
)
def test_rows_may_lie_in_files_of_several_segments(file: str, can_be: bool) -> None:
    for tree in ("rows", "rows.g1", "rows.g12"):
        path = f"{tree}/trade/{DATE}/symbol=A%2FB/{file}"
        assert holds_rows(path, NAME, "trade", "A/B") is can_be
    assert not holds_rows(f"rows.g0/trade/{DATE}/symbol=A%2FB/{file}", NAME, "trade", "A/B")
    frames = f"frames/{DATE}/hour=00/{file}"
    assert holds_frames(frames, NAME) is file.startswith((f"{NAME}.parquet", f"{NAME}.loss"))
