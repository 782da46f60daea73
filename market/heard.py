"""What was heard of a depth stream, and which of its ids never came.

What came is one question, whether there is a book another: a snapshot may have ids that never came,
or that come later. A gap row counts from the newest id that came.
"""

from market.gaps import Hole, Seen
from market.sync_states import Event
from schemas import wire
from schemas.frames import Frame


class Heard:
    """The newest id of a stream, across connections.

    frame, delta: it came with these; they are public for the sake of the hot path.
    joined: the snapshot that is the book while nothing has been heard beyond it.
    fresh: no delta since the stream was interrupted, or ever. shed: why frames of ours were lost
    then, empty if none were.
    """

    __slots__ = ("delta", "frame", "fresh", "joined", "shed")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Back to the beginning."""
        self.frame: Frame | Seen | None = None
        self.delta: wire.Depth | None = None  # where ``frame`` is a Frame
        self.joined: Seen | None = None
        self.fresh = True
        self.shed = ""

    @property
    def newest(self) -> Seen | None:
        """Of what came; of a snapshot where nothing had come before it."""
        frame, delta = self.frame, self.delta
        if isinstance(frame, Frame) and delta is not None:
            return Seen.at(frame, delta.u, delta.T * 1_000)
        return frame if isinstance(frame, Seen) else None

    @property
    def last_id(self) -> int | None:
        """Of the newest, unless the stream was interrupted since."""
        if self.fresh:
            return None
        frame, delta = self.frame, self.delta
        if isinstance(frame, Frame) and delta is not None:
            return delta.u
        return frame.id if isinstance(frame, Seen) else None

    @property
    def known(self) -> Seen | None:
        """Of what came or is in the book."""
        return self.joined or self.newest

    def join(self, snapshot: Seen, kept: list[wire.Depth]) -> None:
        """A snapshot is the book, with what was kept beyond it."""
        newest = self.newest
        if kept:
            if newest is not None and kept[-1].u < newest.id:  # lower ids, and no later time
                self.frame = Seen.at(snapshot, kept[-1].u, kept[-1].T * 1_000)
        elif newest is None or (newest.id == snapshot.id and not self.fresh):
            # The stream has to go on from here.
            self.frame, self.fresh, self.shed = snapshot, False, ""
        else:
            self.joined = snapshot

    def hole(self, delta: wire.Depth, event: Event, was_live: bool) -> Hole | None:
        """What a delta off the fast way shows to be missing, or to be wrong with the book.

        event: what it was to the book. was_live: whether there was one.
        """
        since, joined = self.newest, self.joined
        if since is None:
            return None
        if since.id + 1 < delta.U:
            cause = self.shed or ("disconnect" if self.fresh else "depth_ids")
            return Hole.of_ids(cause, since, delta.U)
        if _went_back(since, delta):
            return Hole.of_ids("ids_backwards", since, delta.U)
        if event is not Event.GAP:
            return None
        if joined is not None and delta.u <= joined.id:  # nothing but the snapshot had such ids
            return Hole.of_ids("ids_backwards", joined, delta.U)
        overlaps = delta.U <= since.id < delta.u
        return Hole.of_ids("depth_ids", since, delta.U) if was_live or overlaps else None

    def see(self, frame: Frame, delta: wire.Depth) -> None:
        """Take a delta off the fast way; ids that came before are not new."""
        since = self.newest
        if since is None or since.id < delta.u or _went_back(since, delta):
            self.frame, self.delta = Seen.at(frame, delta.u, delta.T * 1_000), None
            if self.joined is not None and self.joined.id <= delta.u:
                self.joined = None
        self.fresh, self.shed = False, ""


def _went_back(since: Seen, delta: wire.Depth) -> bool:
    return delta.u <= since.id and since.is_long_before(delta.T * 1_000)
