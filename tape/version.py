"""What wrote this recording: version of the format and of the code."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from schemas.errors import TooNew
from schemas.rows import SCHEMA

FORMAT = 4  # raised when an older reader could misread what is written

_DISTRIBUTION = "backpack-recorder"


class Written(NamedTuple):
    """By what something was written. code: version of the code; empty where it is not known."""

    format: int
    schema: int = 0
    code: str = ""


@cache
def code_version() -> str:
    """Version of the installed project; ``0+source`` when run from a bare checkout."""
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        return "0+source"


def refuse_newer(what: object, written: Written) -> None:
    """Raise TooNew for what a later version wrote. what: it, for the message."""
    for kind, there, known in (
        ("format", written.format, FORMAT),
        ("rows of schema", written.schema, SCHEMA),
    ):
        if there > known:
            known_code = written.code not in ("", code_version())
            wanted = f"{_DISTRIBUTION} {written.code}" if known_code else "a newer version"
            raise TooNew(
                f"{what} has {kind} {there}, this version ({code_version()}) reads up to {known}:"
                f" install {wanted}"
            )
