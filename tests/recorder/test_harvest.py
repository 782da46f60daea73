"""What a recorder knows of the segments it has sealed does not grow with them."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from recorder.harvest import LOSSES, NEWEST, Harvest, Sealed
from tape.forecast import Recorded, bytes_per_day
from tape.layout import DAY_NS, HOUR_NS, SegmentName
from tape.manifest import Verdict


def segment(number: int, last_ts: int, verdict: Verdict = Verdict.CERTIFIED) -> Sealed:
    losses = ("the end was lost",) if verdict is Verdict.RECOVERED else ()
    name = SegmentName("s", number)
    return Sealed(name, verdict, last_ts - HOUR_NS // 2, last_ts, number, number, 1_000, losses)


_pauses = st.one_of(st.integers(1, 10), st.integers(20, 400))  # hours
_sealed = st.lists(st.tuples(_pauses, st.sampled_from(Verdict)), min_size=1, max_size=60)


@given(_sealed)
def test_it_tells_what_all_of_them_would(steps: list[tuple[int, Verdict]]) -> None:
    times = list(accumulate(hours * HOUR_NS for hours, _ in steps))
    every = [segment(n, times[n], verdict) for n, (_, verdict) in enumerate(steps)]
    harvest = Harvest()
    for one in every:
        harvest.add(one)
    for verdict in Verdict:
        mine = [one for one in every if one.verdict is verdict]
        total = (len(mine), sum(one.frames for one in mine), sum(one.bytes for one in mine))
        assert harvest.totals.get(verdict, (0, 0, 0)) == total
    rates = [
        bytes_per_day(Recorded(s.first_ts, s.last_ts, s.bytes) for s in some)
        for some in (every, harvest.newest)
    ]
    assert rates[0] == rates[1]
    assert list(harvest.losses) == [(one.name, loss) for one in every for loss in one.losses]
    assert harvest.newest[-1].name == every[-1].name
    assert harvest.newest[0].last_ts > harvest.newest[-1].last_ts - 7 * DAY_NS


def test_it_does_not_grow() -> None:
    harvest = Harvest()
    count = NEWEST + 100
    for number in range(count):
        harvest.add(segment(number, number * 10_000_000_000, Verdict.RECOVERED))
    assert len(harvest.newest) == NEWEST
    assert (len(harvest.losses), harvest.forgotten) == (LOSSES, count - LOSSES)
    for number in range(count, count + 8_760):
        harvest.add(segment(number, number * HOUR_NS))
    assert len(harvest.newest) == 7 * 24
