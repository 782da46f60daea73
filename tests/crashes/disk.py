"""A model of a disk under a power cut, as pessimistic as POSIX allows.

The content of a file survives as it was at its last fsync; a name (created, renamed, removed)
survives with the last fsync of its folder. Everything since may survive or not, each for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

Tree = dict[str, bytes | None]  # content by path; None for a folder


@dataclass(eq=False)
class File:
    """An inode. versions: contents since the last sync, that one first; the last is the newest."""

    versions: list[bytes] = field(default_factory=lambda: [b""])

    @property
    def content(self) -> bytes:
        return self.versions[-1]

    def put(self, offset: int, data: bytes) -> None:
        """Write at an offset; what lies between is zero."""
        old = self.content.ljust(offset, b"\0")
        self.versions.append(old[:offset] + data + old[offset + len(data) :])

    def cut(self, size: int) -> None:
        """Make it as long as that."""
        self.versions.append(self.content[:size].ljust(size, b"\0"))

    def sync(self) -> None:
        """Nothing of it can be lost any more."""
        del self.versions[:-1]


@dataclass(eq=False)
class Folder:
    """versions: what is in it under which name, as of `File`; a rename is one version."""

    versions: list[dict[str, Node]] = field(default_factory=lambda: [{}])

    @property
    def entries(self) -> dict[str, Node]:
        return self.versions[-1]

    def change(self, **names: Node | None) -> None:
        """Put nodes under names, or take names away; all at once."""
        new = {**self.entries, **names}
        self.versions.append({name: node for name, node in new.items() if node is not None})

    def sync(self) -> None:
        """No name in it can be lost any more."""
        del self.versions[:-1]


Node = File | Folder
Choice = Callable[[Node], int]  # which version of a node survives


def least(node: Node) -> int:
    """Only what was synced."""
    del node
    return 0


def most(node: Node) -> int:
    """All that was asked for."""
    return len(node.versions) - 1


def names(node: Node) -> int:
    """All names, and no content that was not synced: files of no length, or old ones."""
    return most(node) if isinstance(node, Folder) else 0


def contents(node: Node) -> int:
    """All contents, and no name that was not synced."""
    return 0 if isinstance(node, Folder) else most(node)


def any_of(chance: Random) -> Choice:
    """Each node for itself, anything between least and most."""
    return lambda node: chance.randrange(len(node.versions))


def survivors(root: Folder, choice: Choice) -> Tree:
    """What a power cut leaves."""
    return dict(_walk(root, choice, ""))


def _walk(folder: Folder, choice: Choice, prefix: str) -> Iterator[tuple[str, bytes | None]]:
    for name, node in folder.versions[choice(folder)].items():
        if isinstance(node, File):
            yield prefix + name, node.versions[choice(node)]
        else:
            yield prefix + name, None
            yield from _walk(node, choice, f"{prefix}{name}/")
