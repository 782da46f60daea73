"""The limit on frames held in memory while the disk is in trouble (``--memory``)."""

from typing import NamedTuple, Protocol

MEMORY = 256_000_000  # bytes
_FRAME_BYTES = 64  # of a frame in a journal, beside its payload; rather too many


class Holder(Protocol):
    """A journal, or what else fills memory, as far as it matters here."""

    @property
    def held(self) -> int:
        """Bytes in memory; of a journal, those that are not safely on disk."""


class Lost(NamedTuple):
    """Frames that were not taken, and the bytes of their payloads."""

    frames: int
    bytes: int


class Memory:
    """Says when frames are to be shed. They are from the first one that does not fit until less
    than half of the bound is held: a book that loses one delta is lost, so it is better to lose
    many frames once than a few again and again. The bound is kept but for the frames that are
    taken even then, such as the keyframes of a roll: they count as much as the others.

    shedding: whether frames are being shed. lost: since the start.
    beside: what grows with the messages too, though it is in no journal.
    """

    def __init__(self, bound: int = MEMORY) -> None:
        self.bound = bound
        self.shedding = False
        self.lost = Lost(0, 0)
        self._lost_before = Lost(0, 0)
        self.beside: list[Holder] = []
        self._journals: list[Holder] = []
        self._left = 0  # that journals may take for certain; less than 0 if what is never shed came

    @property
    def held(self) -> int:
        """Bytes held by all journals."""
        return sum(journal.held for journal in self._journals)

    @property
    def used(self) -> int:
        """The same with what is beside them."""
        return self.held + sum(one.held for one in self.beside)

    def change(self, bound: int) -> None:
        """Another bound from now on."""
        self.bound = bound
        self._left = 0  # to be measured again

    def watch(self, journal: Holder) -> None:
        """Count what this journal holds, from now on."""
        self._journals.append(journal)

    def release(self, journal: Holder) -> None:
        """All of it is on disk, or it was given up."""
        self._journals.remove(journal)

    def has_room(self, size: int) -> bool:
        """Whether so large a frame may be taken. Journals are measured only when it might not."""
        size += _FRAME_BYTES
        for one in self.beside:
            size += one.held
        if self._left < size:
            self._left = self.bound - self.held
        return self._left >= size

    def take(self, size: int) -> None:
        """A frame so large is taken, whether there is room or not."""
        self._left -= size + _FRAME_BYTES

    @property
    def is_relieved(self) -> bool:
        """Whether shedding may end."""
        return self.used < self.bound // 2

    def begin_shedding(self) -> None:
        """From here on frames are lost."""
        self.shedding = True
        self._lost_before = self.lost

    def lose(self, size: int) -> None:
        """A frame with a payload of this size was not taken."""
        self.lost = Lost(self.lost.frames + 1, self.lost.bytes + size)

    def end_shedding(self) -> Lost:
        """What this shedding has cost."""
        self.shedding = False
        self._left = 0
        before = self._lost_before
        return Lost(self.lost.frames - before.frames, self.lost.bytes - before.bytes)
