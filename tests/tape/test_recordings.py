"""Several shards in a folder, and what else may lie there."""

from __future__ import annotations

from pathlib import Path

from tape.recordings import missing_shards, tapes
from tests.recorder.market import TRADES, trade
from tests.tapes import Recording, Setting


def recorded(root: Path) -> Path:
    """A short one."""
    recording = Recording(root, Setting("20260902T164310Z"))
    recording.begin([TRADES])
    recording.connect()
    recording.data(trade(1))
    recording.stop()
    return root


def test_a_shard_on_another_disk_is_here_by_a_link(tmp_path: Path) -> None:
    """It is the name of the link that counts."""
    here = tmp_path / "here"
    recorded(here / "shard-1-of-2")
    (here / "shard-2-of-2").symlink_to(recorded(tmp_path / "there"))
    found = tapes(here)
    assert [tape.root.name for tape in found] == ["shard-1-of-2", "shard-2-of-2"]
    assert list(missing_shards(found)) == []


def test_a_recording_that_is_there_twice_is_read_once(tmp_path: Path) -> None:
    first = recorded(tmp_path / "shard-1-of-2")
    (tmp_path / "shard-2-of-2").symlink_to(first)
    found = tapes(tmp_path)
    assert [tape.root for tape in found] == [first]
    assert list(missing_shards(found)) == ["1 of 2 shards are here, without 2/2"]
    assert [tape.root for tape in tapes([first, tmp_path / "shard-2-of-2"])] == [first]


def test_what_is_no_folder_is_no_shard(tmp_path: Path) -> None:
    first = recorded(tmp_path / "shard-1-of-3")
    (tmp_path / "shard-2-of-3").write_text("a note")
    (tmp_path / "shard-3-of-3").symlink_to(tmp_path / "nowhere")
    assert [tape.root for tape in tapes(tmp_path)] == [first]
