"""HTTP replies in the venue's words (protocol section 6): compact JSON, plain texts, errors."""

from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

JSON_TYPE = "application/json; charset=utf-8"
TEXT_TYPE = "text/plain; charset=utf-8"


class Reply(NamedTuple):
    """status: of HTTP. content_type: empty where there is no body."""

    status: int
    body: bytes
    content_type: str


class Refused(Exception):
    """A request that is answered with an error: the way out from wherever that is found."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.reply = reply


def as_json(value: Any) -> Reply:
    """A value as the venue writes it: no spaces, members in the order given (alphabetical)."""
    return Reply(200, msgspec.json.encode(value), JSON_TYPE)


def raw_json(body: bytes) -> Reply:
    """JSON that was recorded, byte for byte."""
    return Reply(200, body, JSON_TYPE)


def as_text(text: str, status: int = 200) -> Reply:
    """A plain text."""
    return Reply(status, text.encode(), TEXT_TYPE)


def error(status: int, code: str, message: str) -> Reply:
    """A semantic error."""
    return Reply(status, msgspec.json.encode({"code": code, "message": message}), JSON_TYPE)


def bad_parameter(name: str, reason: str) -> Reply:
    """An error of parsing, in the words of the framework the venue is written with."""
    return as_text(f"failed to parse parameter `{name}`: {reason}", 400)


def not_a_value(kind: str, reason: str) -> str:
    """Reason for `bad_parameter`: a text is no value of a type."""
    return f'failed to parse "{kind}": {reason}'


def trimmed(number: Decimal) -> str:
    """A decimal as REST has it: no exponent, no trailing zeros, exact (protocol 3.2).

    >>> trimmed(Decimal("11355.780000000000000000"))
    '11355.78'
    """
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


NO_ENUM_VALUE = "Expect a valid enumeration value."
NO_DATA = Reply(204, b"", "")
NO_PATH = as_text("not found", 404)
INVALID_SYMBOL = error(400, "INVALID_CLIENT_REQUEST", "Invalid market symbol")
SYMBOL_NOT_FOUND = error(400, "INVALID_CLIENT_REQUEST", "Symbol not found")
NOT_FOUND = error(404, "RESOURCE_NOT_FOUND", "Not Found")
BAD_LIMIT = bad_parameter("limit", not_a_value("DepthLimit", NO_ENUM_VALUE))
