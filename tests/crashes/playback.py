"""Carries system calls out on the model of a disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tests.crashes.disk import File, Folder, Node
from tests.crashes.strace import Call

_UNKNOWN = frozenset(
    {"link", "linkat", "symlink", "symlinkat", "fallocate", "splice", "sync", "syncfs", "openat2"}
)
_POSITIONED = frozenset({"pwrite64", "pwritev", "pwritev2"})


class Step(NamedTuple):
    """Something has changed on the disk: which call did it, to which path below the root.

    synced: the content of the file that cannot be lost any more, after an fsync of a file.
    """

    name: str
    path: str
    synced: bytes | None = None


class _Handle:
    """An open file: what a descriptor stands for."""

    def __init__(self, path: str, node: Node, append: bool) -> None:
        self.path = path
        self.node = node
        self.append = append
        self.position = 0


class Playback:
    """The disk below a folder that is there, and empty, before the first call.

    root: the model of that folder.
    """

    def __init__(self, folder: Path) -> None:
        self.root = Folder()
        self._base = PurePosixPath(folder)
        self._open: dict[tuple[int, str], _Handle] = {}
        self._carry_out: dict[str, Callable[[Call], Iterator[Step]]] = {
            **dict.fromkeys(("open", "openat", "creat"), self._opened),
            **dict.fromkeys(("dup", "dup2", "dup3", "fcntl"), self._doubled),
            **dict.fromkeys(("write", "writev", *_POSITIONED), self._written),
            **dict.fromkeys(("fsync", "fdatasync"), self._synced),
            **dict.fromkeys(("rename", "renameat", "renameat2"), self._renamed),
            **dict.fromkeys(("unlink", "unlinkat", "rmdir"), self._removed),
            **dict.fromkeys(("mkdir", "mkdirat"), self._made),
            **dict.fromkeys(("copy_file_range", "sendfile"), self._copied),
            "close": self._closed,
            "lseek": self._sought,
            "ftruncate": self._cut,
            "truncate": self._cut,
        }

    def steps(self, calls: Iterable[Call]) -> Iterator[Step]:
        """Carry out one call after another; yields after each change, and within each write."""
        for call in calls:
            if call.name in self._carry_out:
                yield from self._carry_out[call.name](call)
            elif call.name in _UNKNOWN:
                paths = [text.decode() for text in call.texts]
                mine = any(map(self._below, paths)) or self._handle(call) is not None
                assert not mine, f"the model does not know {call.name}"

    def _opened(self, call: Call) -> Iterator[Step]:
        flags = set("|".join(call.words).split("|"))
        (path,) = self._paths(call)
        if path is None or "O_PATH" in flags:
            return
        node = File() if "O_TMPFILE" in flags else self._find(path)
        if node is None:
            node = File()
            yield self._entered(call, path, node)
        elif isinstance(node, File) and node.content and "O_TRUNC" in flags:
            node.cut(0)
            yield Step(call.name, path)
        self._open[call.process, str(call.result)] = _Handle(path, node, "O_APPEND" in flags)

    def _doubled(self, call: Call) -> Iterator[Step]:
        handle = self._handle(call)
        if handle is not None and (call.name != "fcntl" or "F_DUPFD" in call.words[1]):
            self._open[call.process, str(call.result)] = handle
        yield from ()

    def _closed(self, call: Call) -> Iterator[Step]:
        self._open.pop((call.process, call.words[0]), None)
        yield from ()

    def _sought(self, call: Call) -> Iterator[Step]:
        if handle := self._handle(call):
            handle.position = call.result
        yield from ()

    def _written(self, call: Call) -> Iterator[Step]:
        """A write may be torn: it is two, of a half each."""
        handle = self._handle(call)
        if handle is None:
            return
        data = b"".join(call.texts)[: call.result]
        assert len(data) == call.result, "a write whose content is not in the trace"
        offset = int(call.words[-1], 0) if call.name in _POSITIONED else None
        yield from self._put(call, handle, data, offset)

    def _copied(self, call: Call) -> Iterator[Step]:
        """From one file of ours to another, from and to where they stand."""
        into = call.words[2] if call.name == "copy_file_range" else call.words[0]
        out = call.words[0] if call.name == "copy_file_range" else call.words[1]
        target = self._open.get((call.process, into))
        source = self._open.get((call.process, out))
        if target is None:
            return
        assert source is not None, "a copy from outside"
        assert isinstance(source.node, File)
        explicit = [word for word in call.words if word.startswith("[")]
        start = int(explicit[0].strip("[]")) if explicit else source.position
        data = source.node.content[start : start + call.result]
        source.position = start + call.result
        yield from self._put(call, target, data, None)

    def _put(self, call: Call, handle: _Handle, data: bytes, offset: int | None) -> Iterator[Step]:
        assert isinstance(handle.node, File)
        here = handle.position if offset is None else offset
        if handle.append:
            here = len(handle.node.content)
        half = len(data) // 2
        for start, part in ((0, data[:half]), (half, data[half:])):
            if part:
                handle.node.put(here + start, part)
                yield Step(call.name, handle.path)
        if offset is None:
            handle.position = here + len(data)

    def _cut(self, call: Call) -> Iterator[Step]:
        handle = self._handle(call)
        path = handle.path if handle else self._paths(call)[0] if call.texts else None
        node = handle.node if handle else self._find(path)
        if isinstance(node, File) and path is not None:
            node.cut(int(call.words[1], 0))
            yield Step(call.name, path)

    def _synced(self, call: Call) -> Iterator[Step]:
        if handle := self._handle(call):
            handle.node.sync()
            content = handle.node.content if isinstance(handle.node, File) else None
            yield Step(call.name, handle.path, content)

    def _renamed(self, call: Call) -> Iterator[Step]:
        old, new = self._paths(call)
        if old is None and new is None:
            return
        assert old is not None, "a rename into the folder"
        assert new is not None, "a rename out of the folder"
        node = self._find(old)
        source, target = self._folder(old), self._folder(new)
        if source is target:
            source.change(**{_last(old): None, _last(new): node})
        else:  # a cut may come between the two, in either order, as they are not synced together
            target.change(**{_last(new): node})
            source.change(**{_last(old): None})
        yield Step(call.name, new)

    def _removed(self, call: Call) -> Iterator[Step]:
        (path,) = self._paths(call)
        if path is not None:
            yield self._entered(call, path, None)

    def _made(self, call: Call) -> Iterator[Step]:
        (path,) = self._paths(call)
        if path is not None:
            yield self._entered(call, path, Folder())

    def _entered(self, call: Call, path: str, node: Node | None) -> Step:
        self._folder(path).change(**{_last(path): node})
        return Step(call.name, path)

    def _handle(self, call: Call) -> _Handle | None:
        return self._open.get((call.process, call.words[0]))

    def _paths(self, call: Call) -> list[str | None]:
        """The paths a call names, below the root; None for one that lies elsewhere."""
        found = []
        folders = [word for word in call.words if word.isdigit() or word == "AT_FDCWD"]
        for index, text in enumerate(call.texts):
            path = PurePosixPath(text.decode())
            base = self._open.get((call.process, folders[index])) if folders[index:] else None
            if base is not None and not path.is_absolute():
                path = self._base / base.path / path
            found.append(self._below(str(path)))
        return found

    def _below(self, path: str) -> str | None:
        whole = PurePosixPath(path)
        if not whole.is_relative_to(self._base):
            return None
        below = whole.relative_to(self._base).as_posix()
        return "" if below == "." else below

    def _find(self, path: str | None) -> Node | None:
        node: Node | None = self.root
        for name in (path or "").split("/") if path else ():
            node = node.entries.get(name) if isinstance(node, Folder) else None
        return node

    def _folder(self, path: str) -> Folder:
        folder = self._find(path.rpartition("/")[0])
        assert isinstance(folder, Folder), f"no folder for {path}"
        return folder


def _last(path: str) -> str:
    return path.rpartition("/")[2]
