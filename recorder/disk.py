"""What is wrong with the disk, since when, and for how long memory can stand in for it."""

from collections.abc import Callable

from recorder.memory import Memory
from recorder.messages import Level, Message
from recorder.stamp import Clock
from tape.journal_file import JournalGone
from tape.quantities import pretty_size, pretty_span

HANGS_S = 5.0  # a call that takes longer is trouble
ALARM_EVERY_S = 60.0

Notice = Callable[[str], None]


class Disk:
    """Told of each failure and each success; tells people.

    trouble: what is wrong now; empty while it works. lasted: seconds of trouble that is over.
    """

    def __init__(self, memory: Memory, notice: Notice, clock: Clock) -> None:
        self._memory = memory
        self._notice = notice
        self._clock = clock
        self._sound = self._mono()  # when it last took all there was
        self._since = self._told = 0.0
        self._lost_before = 0
        self._shedding = False  # as people know it
        self.trouble = ""
        self.lasted = 0.0

    def failed(self, error: OSError) -> None:
        """A call failed: what it was to write is still in memory."""
        is_gone = isinstance(error, JournalGone)
        self._note(str(error) if is_gone else f"the disk refuses writes ({error})")

    def watch(self, busy_s: float) -> None:
        """Look at it now and then. ``busy_s``: for how long it has not answered."""
        if busy_s > HANGS_S and not self.trouble:
            self._note(f"the disk has not answered for {pretty_span(busy_s)}")
        elif self._memory.shedding != self._shedding:
            self._turn()
        elif self.alarm and self._mono() - self._told >= ALARM_EVERY_S:
            self._tell()

    def works(self) -> bool:
        """It took all there was; whether it was in trouble before."""
        self._sound = self._mono()
        if not self.trouble:
            return False
        lasted, lost = self._sound - self._since, self._memory.lost
        frames = lost.frames - self._lost_before
        cost = f"{frames} frames were lost" if frames else "nothing was lost"
        text = f"the disk takes writes again after {pretty_span(lasted)}; {cost}"
        self._notice(Message(text, "disk_recovered", lost_frames=frames))
        self.lasted += lasted
        self.trouble = ""
        return True

    @property
    def alarm(self) -> str:
        """What people have to know right now; empty if there is nothing."""
        if self._memory.shedding:
            lost = self._memory.lost
            trouble = self.trouble or "the disk cannot keep up"
            bound = pretty_size(self._memory.bound)
            return f"{trouble}: {bound} are held, frames are being LOST ({lost.frames} so far)"
        return self.trouble and f"{self.trouble}: capture goes on in memory, {self._left()}"

    @property
    def unsynced_s(self) -> float:
        """Seconds since all that had been taken was on it."""
        return self._mono() - self._sound

    def _note(self, trouble: str) -> None:
        is_new = not self.trouble
        self.trouble = trouble
        if is_new:
            self._since = self._mono()
            self._lost_before = self._memory.lost.frames
            self._tell()

    def _turn(self) -> None:
        """Shedding has begun or ended."""
        self._shedding = self._memory.shedding
        if self._shedding:
            self._tell()
        else:
            frames, size = self._memory.lost
            text = f"frames are kept again; so far {frames} ({pretty_size(size)}) were lost"
            facts = {"lost_frames": frames, "lost_bytes": size}
            self._notice(Message(text, "shedding_over", Level.WARNING, **facts))

    def _tell(self) -> None:
        self._told = self._mono()
        held, lost = self._memory.held, self._memory.lost.frames
        facts = {"held_bytes": held, "lost_frames": lost}
        self._notice(Message(self.alarm, "disk_trouble", Level.ERROR, **facts))

    def _left(self) -> str:
        """How much is held, and how long the rest will do."""
        held, bound = self._memory.held, self._memory.bound
        text = f"{pretty_size(held)} of {pretty_size(bound)} held"
        rate = held / max(self._mono() - self._sound, 0.05)
        return (
            f"{text}, full in {pretty_span((bound - held) / rate)} at this rate" if held else text
        )

    def _mono(self) -> float:
        return self._clock().ts_mono / 1e9
