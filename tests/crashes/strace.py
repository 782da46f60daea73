"""What a program asked of the file system: every call of all its processes, read from strace."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

# All that can change what lies on a disk, or says which file a descriptor is. What the model of
# the disk does not know it refuses, so that no change goes unseen.
TRACED = (
    *("open", "openat", "openat2", "creat", "close", "dup", "dup2", "dup3", "fcntl"),
    *("write", "pwrite64", "writev", "pwritev", "pwritev2", "lseek", "ftruncate", "truncate"),
    *("fallocate", "copy_file_range", "sendfile", "splice", "fsync", "fdatasync", "syncfs", "sync"),
    *("sync_file_range", "rename", "renameat", "renameat2", "link", "linkat", "symlink"),
    *("symlinkat", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat"),
    *("clone", "clone3", "fork", "vfork"),
)
LONGEST_TEXT = 1 << 24  # bytes of a single write that are kept

_OPTIONS = ("-f", "-qq", "-xx", "--seccomp-bpf")
_LINE = re.compile(r"(?P<task>\d+)\s+(?P<rest>.*)")
_CALL = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)\)\s+=\s+(?P<result>-?\d+|\?)")
_UNFINISHED = re.compile(r"(?P<begun>.*?)\s*<unfinished \.\.\.>")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(?P<rest>.*)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


class Call(NamedTuple):
    """A system call that was carried out.

    process: whose file descriptors it means; threads share theirs.
    texts: its strings in order: paths, or what was written. words: all between the commas.
    """

    process: int
    name: str
    words: tuple[str, ...]
    texts: tuple[bytes, ...]
    result: int


@cache
def missing() -> str:
    """Why there can be no trace here; empty where there can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    command = ["strace", *_OPTIONS, "-o", "/dev/null", "true"]
    probe = subprocess.run(command, capture_output=True, text=True)
    return "" if probe.returncode == 0 else f"strace is not allowed here: {probe.stderr.strip()}"


def trace(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> list[Call]:
    """Run a command to its end; all its calls that succeeded, in the order they returned."""
    traced = ["-s", str(LONGEST_TEXT), "-e", f"trace={','.join(TRACED)}"]
    subprocess.run(
        ["strace", *_OPTIONS, *traced, "-o", str(log), *command], env=environment, check=True
    )
    calls = list(_calls(log))
    threads = dict(_threads(calls))
    return [call._replace(process=_leader(call.process, threads)) for call in calls]


def _calls(log: Path) -> Iterator[Call]:
    begun: dict[str, str] = {}
    with log.open(encoding="ascii") as lines:
        for line in lines:
            task, rest = _fields(line)
            if unfinished := _UNFINISHED.fullmatch(rest):
                begun[task] = unfinished["begun"]
                continue
            if resumed := _RESUMED.fullmatch(rest):
                rest = begun.pop(task) + resumed["rest"]
            if (call := _CALL.match(rest)) and call["result"][0] not in "-?":
                yield _call(int(task), call)


def _fields(line: str) -> tuple[str, str]:
    match = _LINE.fullmatch(line.rstrip("\n"))
    assert match is not None, line
    return match["task"], match["rest"]


def _call(task: int, match: re.Match[str]) -> Call:
    arguments = match["arguments"]
    found = _TEXT.findall(arguments)
    assert not any(cut for _, cut in found), "a text longer than LONGEST_TEXT"
    texts = tuple(bytes.fromhex(text.replace("\\x", "")) for text, _ in found)
    words = tuple(_TEXT.sub('""', arguments).split(", "))
    return Call(task, match["name"], words, texts, int(match["result"]))


def _threads(calls: Sequence[Call]) -> Iterator[tuple[int, int]]:
    """Each thread with the task that began it."""
    for call in calls:
        if call.name in ("clone", "clone3") and any("CLONE_FILES" in word for word in call.words):
            yield call.result, call.process


def _leader(task: int, threads: dict[int, int]) -> int:
    while task in threads:
        task = threads[task]
    return task
