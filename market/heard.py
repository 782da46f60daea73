"""What was heard of a depth stream, and which of its ids never came.

What came is one question, whether there is a book another: a snapshot may have ids that never came,
or that come later. A gap row counts from the newest id that came.
"""

from market.gaps import Ending, Hole, Seen
from market.sync_states import Event
from schemas import wire
from schemas.frames import Frame


class Heard:
    """The newest id of a stream, across connections.

    frame, delta: it came with these; they are public for the sake of the hot path.
    joined: the snapshot that is the book while nothing has been heard beyond it.
    fresh: no delta since the stream was interrupted, or ever. shed: frames of ours were lost then.
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
        self.shed = False

    @property
    def newest(self) -> Seen | None:
        """Of what came; of a snapshot where nothing had come before it."""
        frame, delta = self.frame, self.delta
        if isinstance(frame, Frame) and delta is not None:
            return Seen.at(frame, delta.u, delta.T * 1_000)
        return frame if isinstance(frame, Seen) else None

    @property
    def known(self) -> Seen | None:
        """Of what came or is in the book."""
        return self.joined or self.newest

    def join(self, snapshot: Seen) -> None:
        """A snapshot is the book, with nothing kept beyond it."""
        if self.frame is None:  # the stream has to go on from here
            self.frame, self.fresh, self.shed = snapshot, False, False
        else:
            self.joined = snapshot

    def hole(self, frame: Frame, delta: wire.Depth, event: Event) -> tuple[Hole, Ending | None]:
        """What a delta off the fast way shows to be missing, or to be wrong with the book.

        event: what it was to the book. The gap is over already if a snapshot has made up for it.
        Raises LookupError where nothing is missing.
        """
