"""Makes of the frames of several recorders those of one with several connections."""

from collections.abc import Callable, Iterable
from contextlib import suppress

import msgspec
from msgspec.structs import replace

from schemas.frames import (
    Frame,
    FramesLost,
    Kind,
    MessagesCopied,
    RequestFailed,
    SegmentHead,
    to_json,
)
from schemas.requests import subscribed, unsubscribed
from schemas.topics import is_private
from tape.copies import LIMIT, Copies, Message, Original
from tape.copy_notes import CopyNotes, Found
from tape.replies import Replies
from tape.scribe import Content, Scribe, Stamp
from tape.side import INPUT, Heard
from tape.sockets import Sockets, cut, opened, subscribes

_ENDED = "its recording ends here"
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Voice:
    """What is known of a side. topics: subscribed by now. deaf: its frames are lost, and others go
    on. lossy: its loss is on the tape. found: by its own seq, what became of its messages; kept
    where it has copies of its own."""

    def __init__(self, number: int, keeps: bool) -> None:
        self.number = number
        self.keeps = keeps
        self.url = ""
        self.topics: dict[str, None] = {}
        self.deaf = self.lossy = False
        self.found: dict[int, Found] = {}
        self.stamp = Stamp(0, 0)


class Blend:
    """Takes the frames of all sides as they came, and hands on those of the union.

    copies: how many messages came again. public: leave out what is asked for an account.
    """

    def __init__(self, scribe: Scribe, public: bool = False) -> None:
        self.copies = 0
        self.replies = Replies()
        self._scribe = scribe
        self._public = public
        self._sockets = Sockets()
        self._known = Copies()
        self._notes = CopyNotes()
        self._voices: dict[int, Voice] = {}
        self._handlers: dict[Kind, Callable[[Voice, Frame], None]] = {
            Kind.DATA: self._message,
            Kind.BINARY: self._message,
            Kind.SEGMENT: self._segment,
            Kind.OPEN: self._open,
            Kind.CLOSE: self._close,
            Kind.SENT: self._sent,
            Kind.REQUEST: self._rest,
            Kind.REPLY: self._rest,
            Kind.FAILED: self._rest,
            Kind.LOSS: self._loss,
            Kind.COPIES: self._again,
        }

    def begin(self, side: int, has_copies: bool) -> None:
        """A side joins in."""
        self._voices[side] = Voice(side, has_copies)

    def take(self, side: int, heard: Heard) -> None:
        """Its next frame; one that speaks of that recording alone is dropped."""
        voice, frame = self._voices[side], heard.frame
        voice.stamp = Stamp(frame.ts_recv, heard.at)
        if self._notes.is_due(heard.at):
            self._write_notes(voice.stamp)
        handle = self._handlers.get(frame.kind)
        if handle is not None:
            handle(voice, frame)

    def end(self, side: int, stopped: bool) -> None:
        """It has no more. stopped: as it was to."""
        voice = self._voices[side]
        for path in self.replies.end(side):
            failure = to_json(RequestFailed(0, _ENDED, ""))
            self._put(Content(Kind.FAILED, failure, topic=path), voice.stamp)
        if voice.lossy:
            self._put(Content(Kind.LOSS, to_json(FramesLost(INPUT, ended=True))), voice.stamp)
        self._hang_up(voice, _ENDED, stopped)
        del self._voices[side]
        if not self._voices and self._notes:
            self._write_notes(voice.stamp)

    def _put(self, content: Content, stamp: Stamp) -> int:
        if self._scribe.is_due(stamp):
            if self._notes:
                self._write_notes(stamp)
            self._scribe.begin(stamp, self._topics())
        return self._scribe.take(content, stamp)

    def _topics(self) -> Iterable[str]:
        return self._shown({name for voice in self._voices.values() for name in voice.topics})

    def _shown(self, names: Iterable[str]) -> list[str]:
        return sorted(name for name in names if not (self._public and is_private(name)))

    def _write_notes(self, stamp: Stamp) -> None:
        self._scribe.take(Content(Kind.COPIES, to_json(self._notes.take())), stamp)

    def _segment(self, voice: Voice, frame: Frame) -> None:
        with suppress(*_UNREADABLE):
            head = msgspec.json.decode(frame.payload, type=SegmentHead)
            voice.url, voice.topics = head.ws_url, dict.fromkeys(head.topics)

    def _open(self, voice: Voice, frame: Frame) -> None:
        number = self._sockets.open(voice.number, frame.conn)
        self._put(Content(Kind.OPEN, frame.payload, number), voice.stamp)

    def _close(self, voice: Voice, frame: Frame) -> None:
        if voice.deaf and self._sockets.number(voice.number, frame.conn) is None:
            return  # it was closed as frames were lost
        number = self._on(voice, frame.conn)
        self._put(Content(Kind.CLOSE, frame.payload, number), voice.stamp)
        self._sockets.close(voice.number, frame.conn)

    def _sent(self, voice: Voice, frame: Frame) -> None:
        number = self._on(voice, frame.conn)
        begun, ended = subscribed(frame.payload), unsubscribed(frame.payload)
        voice.topics.update(dict.fromkeys(begun))
        for name in ended:
            voice.topics.pop(name, None)
        if not self._public or not any(map(is_private, begun + ended)):
            self._put(Content(Kind.SENT, frame.payload, number), voice.stamp)
        elif shown := self._shown(begun):
            self._put(subscribes(shown, number), voice.stamp)

    def _rest(self, voice: Voice, frame: Frame) -> None:
        if self.replies.takes(voice.number, frame.kind, frame.topic):
            self._put(Content(frame.kind, frame.payload, topic=frame.topic), voice.stamp)

    def _message(self, voice: Voice, frame: Frame) -> None:
        """What a side has is new to it; only others may have brought it before."""
        number = self._on(voice, frame.conn)
        message, at = Message(frame.payload), voice.stamp.at
        original = self._known.find(voice.number, message, at)
        if original is None:
            seq = self._put(Content(frame.kind, frame.payload, number), voice.stamp)
            original = self._known.add(voice.number, message, seq, at)
            found = Found(original, 0, None if message.event_us is None else 0)
        else:
            found = Found(original, at - original.ts_mono, _later(message, original))
            self._note(found, number, at)
        if voice.keeps:
            voice.found[frame.seq] = found
            if len(voice.found) > LIMIT:
                del voice.found[next(iter(voice.found))]

    def _again(self, voice: Voice, frame: Frame) -> None:
        """Copies that a side has noted are copies of what has become of the message."""
        noted = MessagesCopied([], [], [], [])
        with suppress(*_UNREADABLE):
            noted = msgspec.json.decode(frame.payload, type=MessagesCopied)
        each = zip(noted.seq, noted.conn, noted.late_ns, noted.event_us, strict=False)
        for seq, conn, late, later in each:
            if seq in voice.found:
                number = self._on(voice, conn)
                self._note(voice.found[seq].of_copy(late, later), number, voice.stamp.at)

    def _note(self, found: Found, conn: int, at: int) -> None:
        self.copies += 1
        self._notes.add(found, conn, at)

    def _loss(self, voice: Voice, frame: Frame) -> None:
        """While others hear, a loss is one of these connections alone."""
        lost = FramesLost(INPUT, ended=True)
        with suppress(*_UNREADABLE):
            lost = msgspec.json.decode(frame.payload, type=FramesLost)
        if voice.deaf:
            voice.deaf = not lost.ended
        elif voice.lossy or not self._sockets.others(voice.number):
            voice.lossy = not lost.ended
            shown = to_json(replace(lost, cause=INPUT))
            self._put(Content(Kind.LOSS, shown), voice.stamp)
        else:
            voice.deaf = not lost.ended
            self._hang_up(voice, f"frames of it were lost: {lost.cause}")

    def _hang_up(self, voice: Voice, why: str, stopped: bool = False) -> None:
        for conn in self._sockets.of(voice.number):
            self._put(cut(why, self._on(voice, conn), stopped), voice.stamp)
            self._sockets.close(voice.number, conn)

    def _on(self, voice: Voice, conn: int) -> int:
        """The number of a connection. One that brings something and is not known to be open is: its
        recording begins in its midst, or goes on after a loss."""
        number = self._sockets.number(voice.number, conn)
        if number is None:
            number = self._sockets.open(voice.number, conn)
            self._put(opened(voice.url, number), voice.stamp)
            if topics := self._shown(voice.topics):
                self._put(subscribes(topics, number), voice.stamp)
        return number


def _later(message: Message, original: Original) -> int | None:
    """By how much `E` of a copy is later, microseconds."""
    if message.event_us is None or original.event_us is None:
        return None
    return message.event_us - original.event_us
