"""The controller of shedding: backlog measurements in, level out. Knows no socket and no clock.

Bytes that wait in the kernel are no measure by themselves: how many fit depends on the system, and
a burst is not a load. A recorder that keeps up finds its sockets empty again and again, however
large the bursts; one that does not, never does.
"""

from typing import NamedTuple

from schemas.shedding import Level

_MS = 1_000_000

EMPTY = 16_384  # bytes unread that are no backlog: some 90 messages; nor what comes in..
MOMENT_NS = 100 * _MS  # ..as others want the processor too; but no more than
LARGEST_EMPTY = 262_144  # bytes, as a system may let no more than that wait
URGENT = 4_000_000  # bytes unread, from which on it goes faster
LATE_NS = 500 * _MS  # so does it where the event loop is so late
PATIENCE_NS = 1_500 * _MS  # from one level to the next while the sockets are never empty..
URGENT_NS = 500 * _MS  # ..and where it is urgent
LOSING = 3  # times as long, where the next level costs frames: the venue waits a while for us
LOOKS = 2  # at least, before it is believed: after a pause of the whole machine there was none
DRAINING = 9, 10  # of what was unread a step before: it gets less by itself
CALM_NS = 400 * _MS  # empty at least so often: it keeps up..
RELIEF_NS = 1_000 * _MS  # ..for so long: one level less
LONGEST_RELIEF_NS = 64_000 * _MS  # after a rise it is doubled each time that followed on a fall
STEADY_NS = 60_000 * _MS  # within this; with nothing shed for so long, all is forgotten


class Signs(NamedTuple):
    """What was seen at a moment: the monotonic clock, ns; bytes unread in all sockets together; how
    late the event loop is, ns; bytes read in a second."""

    mono: int
    unread: int
    late: int = 0
    rate: int = 0

    @property
    def empty(self) -> int:
        """Bytes unread that are no backlog."""
        return min(max(EMPTY, self.rate * MOMENT_NS // 1_000_000_000), LARGEST_EMPTY)


class Overload:
    """Turns each measurement into a level. It rises step by step while the sockets stay filled, and
    falls more slowly; slower still if it soon had to rise again, as each fall may cost books.

    level: what is to be shed.
    """

    def __init__(self) -> None:
        self.level = Level.ALL
        self._empty = self._step = self._calm = 0  # last empty; last rise; calm since
        self._before = 0  # unread when the wait for the next level began
        self._looks = 0
        self._fell = -STEADY_NS
        self._longer = RELIEF_NS  # after a rise
        self._relief = RELIEF_NS  # now

    def see(self, signs: Signs) -> Level:
        """The level by now."""
        if signs.unread <= signs.empty:
            self._keeps_up(signs)
        else:
            self._is_behind(signs)
        return self.level

    def _keeps_up(self, signs: Signs) -> None:
        now = signs.mono
        if now - self._empty > CALM_NS or signs.late > LATE_NS:
            self._calm = now
        self._empty, self._looks = now, 0
        if self.level is Level.ALL:
            if now - self._fell > STEADY_NS:
                self._longer = RELIEF_NS
        elif now - self._calm >= self._relief:
            self.level = Level(self.level - 1)
            self._calm = self._fell = now
            self._relief = RELIEF_NS

    def _is_behind(self, signs: Signs) -> None:
        now = signs.mono
        if self._looks == 0:
            self._step, self._before = now, signs.unread
        self._looks += 1
        urgent = signs.unread >= URGENT or signs.late > LATE_NS
        patience = URGENT_NS if urgent else PATIENCE_NS
        if self.level >= Level.NO_ROWS:
            patience *= LOSING
        if now - self._step < patience or self._looks <= LOOKS:
            return
        part, of = DRAINING
        is_draining = signs.unread * of < self._before * part
        self._step, self._before, self._looks = now, signs.unread, 1
        if not is_draining and self.level is not Level.NOTHING:
            self._rise(now)

    def _rise(self, now: int) -> None:
        if now - self._fell < STEADY_NS:
            self._longer = min(self._longer * 2, LONGEST_RELIEF_NS)
            self._fell = now - STEADY_NS  # doubled once for each fall
        self._relief = self._longer
        self.level = Level(self.level + 1)
        self._calm = now
