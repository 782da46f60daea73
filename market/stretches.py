"""Stretches of whole numbers, each from its first up to, and without, its last."""

from collections.abc import Iterable

from schemas.columns import Count

Stretch = tuple[Count, Count]


def without(stretches: Iterable[Stretch], hole: Stretch) -> list[Stretch]:
    """What is left of them.

    >>> without([(0, 10)], (4, 6))
    [(0, 4), (6, 10)]
    """
    begins, ends = hole
    if begins >= ends:
        return [(first, last) for first, last in stretches if first < last]
    rest = [
        part
        for first, last in stretches
        for part in ((first, min(last, begins)), (max(first, ends), last))
    ]
    return [(first, last) for first, last in rest if first < last]


def common(some: Iterable[Stretch], others: Iterable[Stretch]) -> list[Stretch]:
    """What is in both.

    >>> common([(0, 4), (6, 10)], [(3, 7)])
    [(3, 4), (6, 7)]
    """
    pairs = [(max(a, c), min(b, d)) for a, b in some for c, d in others]
    return sorted((first, last) for first, last in pairs if first < last)


def length(stretches: Iterable[Stretch]) -> int:
    """Of all together."""
    return sum(last - first for first, last in stretches)
