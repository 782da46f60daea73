"""Speeds of a replay as people write them."""

from schemas.errors import UsageError

# A second in eleven days, eleven days in a second.
SLOWEST, FASTEST = 1e-6, 1e6


def speed_of(text: str) -> float | None:
    """``10x`` as 10.0; None for ``max``, as fast as can be. Raises UsageError with examples."""
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not SLOWEST <= speed <= FASTEST:
        raise UsageError(f"{text!r} is not a speed: give 1x, 10x, 0.5x or max")
    return speed


def speed_text(speed: float | None) -> str:
    """The inverse.

    >>> speed_text(10.0)
    '10x'
    """
    return "max" if speed is None else f"{speed:g}x"
