"""What wrote this recording: version of the format and of the code."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

FORMAT = 2  # raised when an older reader could misread what is written

_DISTRIBUTION = "backpack-recorder"


@cache
def code_version() -> str:
    """Version of the installed project; ``0+source`` when run from a bare checkout."""
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        return "0+source"
