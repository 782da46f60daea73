"""How a manifest proves itself: its second line is the sha256 of all the others."""

from hashlib import sha256
from typing import Annotated

import msgspec

from tape.version import FORMAT


class Head(msgspec.Struct):
    """What the manifests of every format have."""

    format: Annotated[int, msgspec.Meta(ge=1)]
    rows_schema: Annotated[int, msgspec.Meta(ge=1)] = 1
    code: str = ""


class Changed(Exception):
    """A manifest is not as it was written."""


def with_self(text: bytes) -> bytes:
    """A manifest with its second line."""
    return text.replace(b"\n", b"\n" + _self_line(text), 1)


def check_self(content: bytes, head: Head) -> None:
    """Raises Changed. Format 1 has no such line, and later ones may have another; whatever is
    flipped, a part stays."""
    if not 2 <= head.format <= FORMAT and b"self_sha256" not in content:
        return
    first, line, others = [*content.split(b"\n", 2), b"", b""][:3]
    if line + b"\n" != _self_line(first + b"\n" + others):
        raise Changed("its sha256 is another: it was damaged or changed")


def _self_line(others: bytes) -> bytes:
    return b'  "self_sha256": "%s",\n' % sha256(others).hexdigest().encode()
