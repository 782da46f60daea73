"""Frames of before make the rows of before. After a change that is meant:
``python -m tests.golden.refresh``, and read the diff."""

import json
import re

import pytest

from market.streams import STREAMS
from schemas.frames import Kind
from schemas.tables import TABLES
from tests.golden import session
from tests.golden.tapes import FOLDER, REAL, SAMPLES, SESSION, real, tape
from tests.shared import needs_shared


@needs_shared
@pytest.mark.parametrize("name", SAMPLES)
def test_samples_make_the_rows_of_before(name: str) -> None:
    """All frames observed on the exchange, its error replies, and its documentation."""
    assert tape(name).splitlines() == golden(f"{name}.jsonl").splitlines()


def test_the_session_makes_the_rows_of_before() -> None:
    """A recording made up by hand."""
    assert tape(SESSION).splitlines() == golden(f"{SESSION}.jsonl").splitlines()


@needs_shared
def test_real_captures_make_the_digests_of_before() -> None:
    """145,000 frames."""
    assert json.loads(real()) == json.loads(golden(REAL))


def test_there_is_a_golden_row_of_each_table() -> None:
    """A new table needs a frame in the session."""
    said = [json.loads(line) for line in golden(f"{SESSION}.jsonl").splitlines()]
    assert {row["table"] for line in said for row in line["rows"]} == set(TABLES)


def test_there_is_a_golden_frame_of_each_stream_and_kind() -> None:
    """A new stream needs one too."""
    frames = list(session.frames())
    assert {frame.kind for frame in frames} == set(Kind)
    texts = [frame.payload.decode(errors="replace") for frame in frames if frame.kind is Kind.DATA]
    for channel in STREAMS:
        named = re.compile(f'"stream":"{channel}[".]')
        assert any(named.search(text) for text in texts), channel


def golden(name: str) -> str:
    """What is kept."""
    return (FOLDER / name).read_text("utf-8")
