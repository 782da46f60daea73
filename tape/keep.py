"""What of a recording is to be kept."""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.errors import ConfigError
from tape.quantities import octets, seconds


class Keep(NamedTuple):
    """What is kept. age: ns since a segment's last frame. size: bytes. None: whatever there is.

    texts: as it was written.
    """

    age: int | None = None
    size: int | None = None
    texts: tuple[str, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> "Keep":
        """Of texts such as ``90d`` and ``500GB``; the least of each kind. Raises ConfigError.

        >>> Keep.parse(["2s", "1kB"])
        Keep(age=2000000000, size=1000, texts=('2s', '1kB'))
        """
        written, ages, sizes = tuple(texts), [], []
        for text in written:
            try:
                if text.strip().lower().endswith("b"):
                    sizes.append(octets(text))
                else:
                    ages.append(int(seconds(text) * 1_000_000_000))
            except ConfigError:
                raise ConfigError(
                    f"--keep {text!r} is neither an age nor a size: write it as 90d, 12h, 500GB"
                ) from None
        return cls(min(ages, default=None), min(sizes, default=None), written)

    @property
    def told(self) -> str:
        """For messages."""
        return " ".join(f"--keep {text}" for text in self.texts)
