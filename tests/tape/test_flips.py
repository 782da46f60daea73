"""Whatever is changed in a file of a recording, `verify` says so and names the file.

Bits of a manifest and of a journal, with SOAK every single one; random bits, lengths and places of
all files.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import TapeError
from tape.again import seal_again
from tape.cli import cli
from tape.compact import compact
from tape.finding import Finding
from tape.generations import all_generations
from tape.layout import SegmentName, Tape
from tape.manifest import load
from tape.plan import plan
from tape.verify import verify
from tape.verify_journal import wrong_journal
from tests.tape.dumb import NAME, DumbEngine, DumbRecorder, sealed

OPEN = SegmentName(NAME.session, 3)
EACH = 1 if os.environ.get("SOAK") else 5  # of so many bits one is flipped


def again(tape: Tape) -> None:
    """The first segment gets rows that were made anew."""
    assert seal_again(tape, all_generations(tape)[0], DumbEngine()).made


def compacted(tape: Tape) -> None:
    """The rows of both segments are put together."""
    assert len(list(compact(tape, plan(tape, all_days=True)))) == 1


@pytest.fixture(scope="module", params=[again, compacted])
def recording(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tape:
    """Two segments that are sealed, and the journal of the third; each test leaves it as it was."""
    tape = Tape(tmp_path_factory.mktemp("flips") / "data")
    recorder = DumbRecorder(tape)
    recorder.say(("ETH_USDC", 123_450_000_000, 1), ("2Z_USDC", 1, 0), (None, 1, -1))
    recorder.roll()
    recorder.say(("ETH_USDC", 1, 1))
    recorder.roll()
    for price in range(1, 4):
        recorder.say(("ETH_USDC", price, 1))
        recorder.flush()
    recorder.cut()
    for number in (1, 2):
        sealed(tape, SegmentName(NAME.session, number))
    request.param(tape)
    return tape


def files(tape: Tape) -> list[Path]:
    """All of them, but for the lock."""
    return sorted(path for path in tape.root.rglob("*") if path.is_file())


@contextmanager
def spoilt(path: Path, content: bytes | None) -> Iterator[None]:
    """With another content, or none; as it was afterwards."""
    before = path.read_bytes()
    try:
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        yield
    finally:
        path.write_bytes(before)


def flipped(content: bytes, bit: int) -> bytes:
    """One bit is another."""
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def said_of(tape: Tape, path: Path) -> list[Finding]:
    """What is said of a file now and was not said of it when it was whole."""
    shown = path.relative_to(tape.root).as_posix()
    usual = Finding(
        shown, "not sealed; bp-record seals it when it starts, and so does bp-tape recover", False
    )
    return [found for found in verify(tape) if found.path == shown and found != usual]


def test_every_bit_of_a_manifest(tape: Tape) -> None:
    """Of a segment without rows, which is small."""
    DumbRecorder(tape).stop()
    sealed(tape)
    path = tape.manifest(NAME)
    content = path.read_bytes()
    for bit in range(0, len(content) * 8, EACH):
        path.write_bytes(flipped(content, bit))
        with pytest.raises(TapeError):
            load(path)


def test_every_bit_of_a_journal(tape: Tape) -> None:
    recorder = DumbRecorder(tape)
    recorder.flush()
    recorder.say(("ETH_USDC", 1, 1))
    recorder.cut()
    path = tape.journal(NAME)
    content = path.read_bytes()
    assert list(wrong_journal(path, "it")) == []
    for bit in range(0, len(content) * 8, EACH):
        path.write_bytes(flipped(content, bit))
        assert any(found.damage for found in wrong_journal(path, "it")), bit


@given(st.data())
def test_any_bit_of_any_file(recording: Tape, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(files(recording)), "file")
    content = path.read_bytes()
    bit = data.draw(st.integers(0, len(content) * 8 - 1), "bit")
    with spoilt(path, flipped(content, bit)):
        assert any(found.damage for found in said_of(recording, path))


@given(st.data())
def test_a_file_cut_off_anywhere(recording: Tape, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(files(recording)), "file")
    content = path.read_bytes()
    with spoilt(path, content[: data.draw(st.integers(0, len(content) - 1), "length")]):
        if path == recording.journal(OPEN):  # whose end is where the recorder was cut off
            for found in said_of(recording, path):
                assert "the file ends within a batch" in found.problem
        else:
            assert any(found.damage for found in said_of(recording, path))


@given(st.data())
def test_a_file_with_more_at_its_end(recording: Tape, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(files(recording)), "file")
    more = data.draw(st.binary(min_size=1, max_size=40), "more")
    with spoilt(path, path.read_bytes() + more):
        assert said_of(recording, path)


def test_a_file_in_the_place_of_another(recording: Tape) -> None:
    for path in files(recording):
        for other in files(recording):
            if other.read_bytes() != path.read_bytes():
                with spoilt(path, other.read_bytes()):
                    assert any(found.damage for found in said_of(recording, path)), (path, other)


def test_a_file_that_is_gone(recording: Tape) -> None:
    for path in files(recording):
        with spoilt(path, None):
            if path == recording.journal(OPEN):
                assert f"to be continued by {OPEN}, which is not" in verify(recording)[-1].problem
            elif path.name.endswith(".g1.json") and not recording.manifest(NAME).exists():
                # Files of several segments are left, which do not say that one was its.
                (other,) = (f for f in verify(recording) if "missing, though" in f.problem)
                assert other.path == f"manifest/{SegmentName.of(path)}.json"
            else:
                assert any(found.damage for found in said_of(recording, path)), path


@pytest.mark.parametrize("folder", ["journal", "manifest", "frames", "rows"])
def test_the_command_exits_1_without_a_traceback(recording: Tape, folder: str) -> None:
    assert CliRunner().invoke(cli, ["verify", str(recording.root)]).exit_code == 3
    path = next(path for path in files(recording) if path.is_relative_to(recording.root / folder))
    with spoilt(path, flipped(path.read_bytes(), 2_000)):
        result = CliRunner().invoke(cli, ["verify", str(recording.root)])
    assert result.exit_code == 1
    assert path.name in result.output
    assert isinstance(result.exception, SystemExit)
