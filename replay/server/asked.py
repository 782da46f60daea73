"""What a request asks for: its path, and its parameters as the venue reads them."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

from replay.server.replies import NO_ENUM_VALUE, Refused, Reply, bad_parameter, not_a_value

_WHOLE = re.compile(r"([+-]?)0*([0-9]+)", re.ASCII)
_DIGITS = 20  # of the longest number that fits any type of integer


class Integer(NamedTuple):
    """A type of integers, by the venue's name for it."""

    name: str
    lowest: int
    highest: int


class Bounds(NamedTuple):
    """What is allowed of them in a parameter."""

    lowest: int
    highest: int


U16 = Integer("integer(uint16)", 0, 2**16 - 1)
U64 = Integer("integer(uint64)", 0, 2**64 - 1)
I64 = Integer("integer(int64)", -(2**63), 2**63 - 1)


class Asked(NamedTuple):
    """A request. Of a parameter that is repeated, the first counts, unless it is a list.

    path: without the query. query: parameters by name, decoded.
    """

    path: str
    query: Mapping[str, list[str]]

    @classmethod
    def of(cls, target: str) -> "Asked":
        """From the target of a request line; bad escapes and bytes are read as best can be."""
        path, _, query = target.partition("#")[0].partition("?")
        return cls(unquote(path), parse_qs(query, keep_blank_values=True))

    def first(self, name: str) -> str | None:
        """A parameter; None where it is not there."""
        values = self.query.get(name)
        return values[0] if values else None

    def text(self, name: str, kind: str = "string") -> str:
        """A parameter that must be there."""
        value = self.first(name)
        if value is None:
            raise Refused(bad_parameter(name, f'Type "{kind}" expects an input value.'))
        return value

    def one_of(self, name: str, kind: str, values: Sequence[str]) -> str | None:
        """A value of an enumeration; None where it is not asked for."""
        found = self.first(name)
        return None if found is None else _checked(name, kind, values, found)

    def needs_one_of(self, name: str, kind: str, values: Sequence[str]) -> str:
        """A value of an enumeration that must be there."""
        return _checked(name, kind, values, self.text(name, kind))

    def all_of(self, name: str, kind: str, values: Sequence[str]) -> list[str]:
        """All values of an enumeration that are given; none where it is not asked for."""
        return [_checked(name, kind, values, found) for found in self.query.get(name, [])]

    def needs_whole(self, name: str, kind: Integer) -> int:
        """An integer that must be there."""
        return _integer(name, kind, self.text(name, kind.name))

    def whole(self, name: str, kind: Integer, allowed: Bounds | None = None) -> int | None:
        """An integer; None where it is not asked for."""
        text = self.first(name)
        if text is None:
            return None
        value = _integer(name, kind, text)
        if allowed is not None and value < allowed.lowest:
            raise Refused(_out_of_bounds(name, "minimum", allowed.lowest))
        if allowed is not None and value > allowed.highest:
            raise Refused(_out_of_bounds(name, "maximum", allowed.highest))
        return value


def _checked(name: str, kind: str, values: Sequence[str], found: str) -> str:
    if found not in values:
        raise Refused(bad_parameter(name, not_a_value(kind, NO_ENUM_VALUE)))
    return found


def _integer(name: str, kind: Integer, text: str) -> int:
    """In the words of Rust, which reads them there."""
    match = _WHOLE.fullmatch(text)
    if not text:
        reason = "cannot parse integer from empty string"
    elif match is None or (match[1] == "-" and not kind.lowest):
        reason = "invalid digit found in string"
    elif len(match[2]) > _DIGITS or not kind.lowest <= int(match[1] + match[2]) <= kind.highest:
        reason = f"number too {'small' if match[1] == '-' else 'large'} to fit in target type"
    else:
        return int(match[1] + match[2])
    raise Refused(bad_parameter(name, not_a_value(kind.name, reason)))


def _out_of_bounds(name: str, which: str, bound: int) -> Reply:
    """In the words of the validators of the venue's framework."""
    return bad_parameter(name, f"verification failed. {which}({bound}, exclusive: false)")
