"""What of a recording is of an account, and lies apart on disk: one rule for all that ask.

Private are frames of the streams of an account and their keyframes; and, where such streams may be
heard, messages whose stream cannot be read and that are no error reply: they might be of the
account. Private are the rows made of a private frame, and all rows about an account or its topics.
"""

import msgspec

from schemas import wire
from schemas.frames import Frame, Kind
from schemas.requests import subscribed
from schemas.rows import Row
from schemas.tables import ACCOUNT_TABLES, TABLES
from schemas.topics import is_private

ABOUT_ACCOUNTS = frozenset(row.TABLE for row in ACCOUNT_TABLES)
WITH_TOPICS = frozenset(name for name, row in TABLES.items() if "topic" in row.__struct_fields__)

_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_MESSAGES = frozenset({Kind.DATA, Kind.BINARY})
_CHANGES = frozenset({Kind.SEGMENT, Kind.SENT, Kind.LOSS})


class _Head(msgspec.Struct):
    topics: tuple[str, ...] = ()


class _Notes(msgspec.Struct):
    """What matters here of the keyframe that is about no stream. ended: streams that were
    unsubscribed, and the connection on which messages of them may be on their way; 0: none."""

    ended: dict[str, int] = {}


class Privacy:
    """Sees the frames of one segment in order, and tells of each whether it is private.

    Where the head of a segment, or a frame after it, is lost, what it subscribed is not known: from
    there on what cannot be read is private.
    """

    __slots__ = ("_in_doubt",)

    def __init__(self) -> None:
        self._in_doubt = True

    def see(self, frame: Frame, topic: str | None) -> bool:
        """Take the next frame. topic: the stream of a message, None where it cannot be read; of
        other kinds their own."""
        if frame.kind in _MESSAGES:
            private = self._unread(frame) if topic is None else is_private(topic)
            self._in_doubt = self._in_doubt or private
            return private
        if frame.kind in _CHANGES:
            self._change(frame)
        elif frame.kind is Kind.KEYFRAME and not frame.topic:
            self._in_doubt = self._in_doubt or _comes_late(frame.payload)
        return frame.kind is Kind.KEYFRAME and is_private(frame.topic)

    def _unread(self, frame: Frame) -> bool:
        return self._in_doubt and (frame.kind is Kind.BINARY or not _is_error(frame.payload))

    def _change(self, frame: Frame) -> None:
        if frame.kind is Kind.SEGMENT:
            self._in_doubt = _subscribes(frame.payload)
        elif frame.kind is Kind.LOSS or any(map(is_private, subscribed(frame.payload))):
            self._in_doubt = True


def is_private_row(row: Row) -> bool:
    """Whether a row that was not made of a private frame is private all the same."""
    if row.TABLE in WITH_TOPICS:
        topic: str | None = row.topic  # type: ignore[attr-defined]
        return topic is not None and is_private(topic)
    return row.TABLE in ABOUT_ACCOUNTS


def _subscribes(head: bytes) -> bool:
    """Whether streams of an account are, by the head of a segment; a bad head tells nothing."""
    try:
        topics = msgspec.json.decode(head, type=_Head).topics
    except _UNREADABLE:
        return True
    return any(map(is_private, topics))


def _comes_late(notes: bytes) -> bool:
    """Whether messages of streams of an account may be on their way; a bad keyframe tells
    nothing."""
    try:
        ended = msgspec.json.decode(notes, type=_Notes).ended
    except _UNREADABLE:
        return True
    return any(conn and is_private(name) for name, conn in ended.items())


def _is_error(payload: bytes) -> bool:
    """Whether a message without a stream is an error reply of the venue, and nothing else."""
    try:
        envelope = _decode(payload)
    except _UNREADABLE:
        return False
    return bool(envelope.error) and not envelope.data


_decode = wire.decoder(wire.Envelope).decode
