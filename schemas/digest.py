"""Digests of what was recorded and of what it means.

Both are sha256 over the msgpack of the values one after another, so they depend on order and
content alone, never on how the values were batched.
"""

from collections.abc import Iterable
from hashlib import sha256

import msgspec

from schemas.frames import Checkpoint, Frame
from schemas.rows import Row

MEMORY = 2  # of what an engine remembers; another with every change of it
CHECKPOINT_EVERY = 1_000  # frames of a segment, from one CHECKPOINT to the next
_BATCH_BYTES = 1 << 16


class Digest:
    """Running sha256 of a sequence of structs."""

    __slots__ = ("_buffer", "_encode_into", "_hash")

    def __init__(self) -> None:
        self._hash = sha256()
        self._buffer = bytearray()
        self._encode_into = msgspec.msgpack.Encoder().encode_into

    def add(self, item: msgspec.Struct) -> None:
        """Append one value."""
        buffer = self._buffer
        self._encode_into(item, buffer, -1)
        if len(buffer) > _BATCH_BYTES:
            self._drain()

    def hexdigest(self) -> str:
        """The digest of everything added so far."""
        self._drain()
        return self._hash.hexdigest()

    def _drain(self) -> None:
        self._hash.update(self._buffer)
        self._buffer.clear()


def state_digest(keyframes: Iterable[tuple[str, bytes]]) -> str:
    """Of what an engine remembers, by stream: `MEMORY`, a colon, and sha256 over the msgpack of
    each name and state, by name. Only those of one number can be compared."""
    digest = sha256()
    for keyframe in sorted(keyframes):
        digest.update(msgspec.msgpack.encode(keyframe))
    return f"{MEMORY}:{digest.hexdigest()}"


def is_comparable(one: str, other: str) -> bool:
    """Whether two digests are of the same kind of state."""
    return one.partition(":")[0] == other.partition(":")[0]


class Witness:
    """Sees each frame of a segment with the rows it made, and can say so by checkpoint."""

    __slots__ = ("_frames", "_rows", "count")

    def __init__(self) -> None:
        self._frames = Digest()
        self._rows = Digest()
        self.count = 0

    def see(self, frame: Frame, rows: Iterable[Row]) -> None:
        """Take a frame and its rows into the digests."""
        self._frames.add(frame)
        self.count += 1
        add = self._rows.add
        for row in rows:
            add(row)

    def checkpoint(self, end: str | None = None) -> Checkpoint:
        """What has been seen so far."""
        return Checkpoint(self._frames.hexdigest(), self._rows.hexdigest(), end)
