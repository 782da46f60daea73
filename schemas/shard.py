"""Shards: the markets shared out among several recorders, by name alone."""

import re
from hashlib import blake2b
from typing import NamedTuple

from schemas.errors import ConfigError
from schemas.topics import Topic

MOST = 1_000  # shards

_TEXT = re.compile(r"(\d{1,4})/(\d{1,4})", re.ASCII)
_FOLDER = re.compile(r"shard-([1-9]\d{0,3})-of-([1-9]\d{0,3})", re.ASCII)


class Shard(NamedTuple):
    """One of several shares of the markets. number: from 1 to ``of``, how many there are."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """From a text such as ``2/4``; raises ConfigError.

        >>> Shard.parse("2/4")
        Shard(number=2, of=4)
        """
        match = _TEXT.fullmatch(text.strip())
        shard = cls(*map(int, match.groups())) if match else cls(0, 0)
        if not 1 <= shard.number <= shard.of <= MOST:
            raise ConfigError(
                f"--shard {text!r}: expected the number of this recorder and how many there are,"
                f" as in 2/4 (1 to {MOST})"
            )
        return shard

    @classmethod
    def of_folder(cls, name: str) -> "Shard | None":
        """By the name of its folder; None for any other name.

        >>> Shard.of_folder("shard-2-of-4")
        Shard(number=2, of=4)
        """
        match = _FOLDER.fullmatch(name)
        return cls(*map(int, match.groups())) if match else None

    @property
    def folder(self) -> str:
        """Name of its folder in that of the data set."""
        return f"shard-{self.number}-of-{self.of}"

    def takes(self, name: str) -> bool:
        """Whether a topic is of this share. All topics about a market are of the same one; those
        about no market, and those of an account, are of the first."""
        topic = Topic.parse(name)
        about = "" if topic.private else topic.symbol
        return self.number == (_place(about, self.of) if about else 1)

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def _place(symbol: str, count: int) -> int:
    """blake2b of 8 bytes over the UTF-8 of the symbol, as a big-endian number, modulo the count;
    and 1, as shards count from there."""
    digest = blake2b(symbol.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % count + 1
