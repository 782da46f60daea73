"""Stretches of time, and what is left of some when others are taken away."""

from collections.abc import Iterable
from typing import NamedTuple

from tape.layout import DAY_NS


class Stretch(NamedTuple):
    """From ``start`` up to ``until``, which is not in it; ns."""

    start: int
    until: int


def union(stretches: Iterable[Stretch]) -> list[Stretch]:
    """What any of them covers: in order, none empty, none touching the next.

    >>> union([Stretch(5, 7), Stretch(1, 3), Stretch(3, 4), Stretch(9, 9)])
    [Stretch(start=1, until=4), Stretch(start=5, until=7)]
    """
    found: list[Stretch] = []
    for stretch in sorted(stretches):
        if stretch.until <= stretch.start:
            continue
        if found and stretch.start <= found[-1].until:
            last = found.pop()
            found.append(Stretch(last.start, max(last.until, stretch.until)))
        else:
            found.append(stretch)
    return found


def without(stretches: Iterable[Stretch], taken: Iterable[Stretch]) -> list[Stretch]:
    """What the first cover and the others do not, as `union` gives it.

    >>> without([Stretch(0, 9)], [Stretch(2, 3), Stretch(8, 20)])
    [Stretch(start=0, until=2), Stretch(start=3, until=8)]
    """
    left: list[Stretch] = []
    away, at = union(taken), 0
    for start, until in union(stretches):
        while at < len(away) and away[at].start < until:
            if start < away[at].start:
                left.append(Stretch(start, away[at].start))
            start = max(start, away[at].until)
            if away[at].until > until:
                break  # it takes some of the next one too
            at += 1
        if start < until:
            left.append(Stretch(start, until))
    return left


def by_day(stretches: Iterable[Stretch]) -> dict[int, list[Stretch]]:
    """Stretches cut at midnight, UTC, by days since the epoch; the days in order if they are."""
    days: dict[int, list[Stretch]] = {}
    for start, until in stretches:
        while start < until:
            day = start // DAY_NS
            midnight = (day + 1) * DAY_NS
            days.setdefault(day, []).append(Stretch(start, min(until, midnight)))
            start = midnight
    return days


def length(stretches: Iterable[Stretch]) -> int:
    """Of all together; each counts, so give it a `union`."""
    return sum(until - start for start, until in stretches)
