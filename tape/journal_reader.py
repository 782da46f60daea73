"""Reads a journal back, whatever was done to its bytes."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from schemas.frames import Frame, Kind
from tape.bounds import Count
from tape.journal_batch import Batch, Unpacker, Unreadable
from tape.version import Written, refuse_newer

WORN = "bits that nothing depends on are not as written"


class Damage(msgspec.Struct, frozen=True):
    """A byte range of a journal that cannot be read, or frames that are not in it.

    offset, length: bytes in the journal file; length 0 where the bytes are whole but frames miss.
    after_seq: last good frame before, 0 if none.
    until_seq: first good frame after, None if none.
    """

    offset: Count
    length: Count
    reason: str
    after_seq: Count
    until_seq: Count | None = None

    def __str__(self) -> str:
        until = "the end" if self.until_seq is None else f"seq {self.until_seq}"
        return (
            f"{self.length} bytes at {self.offset}, after seq {self.after_seq} until {until}:"
            f" {self.reason}"
        )


def read_journal(path: Path) -> "JournalReader":
    """Read a journal's frames, skipping what is damaged."""
    return JournalReader(path)


class JournalReader:
    """Iterates the frames of a journal once, in bounded memory.

    Whatever its content, this does not raise, but for TooNew where a later version wrote it.

    damage: what could not be read so far. The last entry has no ``until_seq`` if nothing readable
    followed: that is the torn tail of a crash when its reason is ``TORN``.
    flaws: bytes that are not as written, though no frame is missing with them.
    last_seq, last_ts: of the last frame given out; 0 before the first.
    """

    def __init__(self, path: Path) -> None:
        self.damage: list[Damage] = []
        self.flaws: list[Damage] = []
        self.last_seq = 0
        self.last_ts = 0
        self._path = path
        self._decoder = msgspec.msgpack.Decoder(list[Frame])

    def __iter__(self) -> Iterator[Frame]:
        with self._path.open("rb") as file:
            for frame in self._frames(file):
                self.last_seq, self.last_ts = frame.seq, frame.ts_recv
                yield frame

    @property
    def tail(self) -> Damage | None:
        """The damage after the last frame, if any."""
        return self.damage[-1] if self.damage and self.damage[-1].until_seq is None else None

    def _frames(self, file: BinaryIO) -> Iterator[Frame]:
        unpacker = Unpacker(file)
        offset = 0
        bad: _Bad | None = None
        while offset < unpacker.size:
            try:
                batch = unpacker.at(offset)
                frames = self._decoded(batch)
            except Unreadable as error:
                bad = bad or _Bad(offset, str(error))
                offset = unpacker.search(max(error.resume, offset + 1))
                continue
            if bad is not None:
                self._note(bad, offset, frames[0])
                bad = None
            if batch.worn:
                self._note(_Bad(offset, WORN), batch.end, frames[0])
            yield from frames
            offset = batch.end
        if bad is not None:
            self._note(bad, unpacker.size, None)

    def _decoded(self, batch: Batch) -> list[Frame]:
        if self.last_seq == 0:
            head = _head(batch.content)
            refuse_newer(self._path, head._replace(format=max(head.format, batch.format)))
        try:
            frames = self._decoder.decode(batch.content)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Unreadable(f"a batch that holds no frames: {error}") from None
        if not frames:
            raise Unreadable("an empty batch")
        return frames

    def _note(self, bad: "_Bad", end: int, following: Frame | None) -> None:
        until = None if following is None else following.seq
        noted = Damage(bad.offset, end - bad.offset, bad.reason, self.last_seq, until)
        harmless = following is not None and self._goes_on(following)
        (self.flaws if harmless else self.damage).append(noted)

    def _goes_on(self, frame: Frame) -> bool:
        """No frame is missing before this one; a segment begins with its head."""
        begins = self.last_seq == 0 and frame.kind is Kind.SEGMENT
        return begins or frame.seq == self.last_seq + 1


class _Bad(NamedTuple):
    """Where bytes begin that cannot be read, and why."""

    offset: int
    reason: str


def _head(content: bytes) -> Written:
    """What the head of a segment says, whatever else a batch holds; format 1 where it is not so."""
    with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError, IndexError):
        frames = msgspec.msgpack.decode(content, type=list[list[Any]])
        head = msgspec.json.decode(frames[0][-1], type=_Head)
        return Written(head.format, code=head.code)
    return Written(1)


class _Head(msgspec.Struct):
    format: int
    code: str = ""
