"""Outlines of manifests, kept beside them, so that nobody reads thousands of manifests anew.

Of a year of all markets they take 3 GB, and half a minute of a processor to read and check; their
outlines take a hundredth of that. Nothing is lost with them: they are made of the manifests, and
one is only taken for the very file that it was made of. Who repairs or verifies reads manifests.
"""

import os
from array import array
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import time_ns

import msgspec
from msgspec.structs import replace

from tape import gist, kept
from tape.glance import BYTES, Glance, Shelf, Sizes
from tape.layout import MANIFEST_ENDING, SegmentName, Tape
from tape.manifest import Manifest, State, outline, shelf, state_of
from tape.pool import Counts, Pool

_SEGMENTS = 256  # whose outlines are in one file
_WORTH = 100  # manifests of a recording: to read fewer takes no time
_SETTLED_NS = 2_000_000_000  # a file written again within a tick of the clock may look the same
_FORM = kept.form_of(*Manifest.__struct_fields__, *Glance.__struct_fields__)


class _Line(msgspec.Struct, array_like=True):
    """One manifest. topics, counts, kinds, shared, shared_bytes: packed."""

    state: State
    manifest: Manifest
    topics: bytes
    counts: bytes
    files: int
    private: bool
    sizes: Sizes
    kinds: bytes
    shared: bytes
    shared_bytes: bytes


class _Block(msgspec.Struct, array_like=True):
    """Lines by name of the manifest. words: what they have packed is numbers of these."""

    form: str
    words: list[str]
    lines: dict[str, _Line]


_encode = msgspec.msgpack.Encoder(enc_hook=list).encode
_decode = msgspec.msgpack.Decoder(_Block).decode


class Outlines:
    """Reads outlines of a recording, and keeps those that are new.

    worth: manifests that have to be read for that. clock: ns, as that of the file system.
    """

    def __init__(self, tape: Tape, worth: int = _WORTH, clock: Callable[[], int] = time_ns) -> None:
        self._tape = tape
        self._worth = worth
        self._clock = clock
        self._blocks: dict[str, tuple[_Block, Pool]] = {}
        self._changed: set[str] = set()
        self._asked = 0

    def read(self, path: Path) -> Manifest:
        """As `tape.manifest.outline`."""
        self._asked += 1
        key, state = _key(path), state_of(path)
        if key not in self._blocks:
            block = _read(self._tape, key)
            self._blocks[key] = block, Pool(block.words)
        block, pool = self._blocks[key]
        line = block.lines.get(path.name)
        if line is not None and line.state == state:
            return _manifest(path, line, pool)
        found = outline(path, pool)
        if state is not None and self._clock() - max(state[2:]) > _SETTLED_NS:
            block.lines[path.name] = _line(state, found)
            self._changed.add(key)
        return found

    def keep(self) -> None:
        """Write down what is new, if that is worth it."""
        if not self._changed or self._asked < self._worth:
            return
        there = set(os.listdir(self._tape.manifest_folder))
        for key in sorted(self._changed):
            block, pool = self._blocks[key]
            lines = {name: line for name, line in block.lines.items() if name in there}
            kept.write(self._tape, key, _encode(_Block(_FORM, pool.words, lines)))
        self._changed.clear()
        known = {_key(Path(name)) for name in there if name.endswith(MANIFEST_ENDING)}
        kept.drop_others(self._tape, {*known, gist.NAME})


def _key(manifest: Path) -> str:
    """The file that its outline is kept in."""
    name = SegmentName.of(manifest)
    return f"{name.session}.{name.number // _SEGMENTS}"


def _read(tape: Tape, key: str) -> _Block:
    """Those kept in a file; none where it is of another version."""
    with suppress(msgspec.MsgspecError):
        block = _decode(kept.read(tape, key))
        if block.form == _FORM:
            return block
    return _Block(_FORM, [], {})


def _line(state: State, found: Manifest) -> _Line:
    assert isinstance(found.files, Shelf)
    assert isinstance(found.topics, Counts)
    seen = found.files.glance
    return _Line(
        state,
        replace(found, topics={}, files=()),
        *found.topics.packed,
        seen.count,
        seen.private,
        seen.sizes,
        seen.kinds.packed,
        seen.shared.packed,
        seen.shared_bytes.tobytes(),
    )


def _manifest(path: Path, line: _Line, pool: Pool) -> Manifest:
    seen = Glance(
        line.files,
        line.private,
        line.sizes,
        pool.read(line.kinds),
        pool.read(line.shared),
        array(BYTES, line.shared_bytes),
    )
    topics = Counts(pool.read(line.topics), line.counts)
    return replace(line.manifest, topics=topics, files=shelf(path, seen))
