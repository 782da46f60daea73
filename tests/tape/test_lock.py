"""One recorder per folder, and none is shut out by a dead one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.errors import TapeError, TapeLocked
from tape.lock import is_locked, lock

HOLD = "import sys; from pathlib import Path; from tape.lock import lock\n"
HOLD += "with lock(Path(sys.argv[1])): print(flush=True); sys.stdin.read()"


def test_a_second_recorder_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    with lock(tmp_path / "new" / "data"):
        assert is_locked(tmp_path / "new" / "data")
        with pytest.raises(TapeLocked, match=f"process {os.getpid()}"), lock(tmp_path / "new/data"):
            pass
    assert not is_locked(tmp_path / "new" / "data")
    with lock(tmp_path / "new" / "data"):
        pass


def test_the_lock_of_a_dead_process_is_no_obstacle(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(TapeLocked, match=f"process {holder.pid}"), lock(tmp_path):
            pass
        holder.kill()
        holder.wait()
        with lock(tmp_path):
            assert is_locked(tmp_path)


def test_no_folder_is_not_locked(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "nowhere")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """With what to do."""
    (tmp_path / "file").touch()
    root = tmp_path / "file" / "data"
    with (
        pytest.raises(TapeError, match=rf"^{root} cannot be written \(.*\): make room"),
        lock(root),
    ):
        pass
