"""Texts and counts that thousands of manifests have alike, kept once for all of them."""

from array import array
from collections.abc import ItemsView, Iterable, Iterator, Mapping

_NUMBER = "I"  # of a text in its pool
_COUNT = "Q"


class Pool:
    """Texts by number. words: in the order in which they came."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self.words = list(words)
        self._numbers = {word: number for number, word in enumerate(self.words)}

    def add(self, texts: Iterable[str]) -> "Words":
        """Texts as their numbers, in their order."""
        numbers = array(_NUMBER)
        for text in texts:
            number = self._numbers.setdefault(text, len(self.words))
            if number == len(self.words):
                self.words.append(text)
            numbers.append(number)
        return Words(self, numbers)

    def number(self, text: str) -> int | None:
        """That of a text; None where it is not here."""
        return self._numbers.get(text)

    def read(self, packed: bytes) -> "Words":
        """What `Words.packed` gave; raises IndexError where that was of another pool."""
        numbers = array(_NUMBER, packed)
        if numbers and max(numbers) >= len(self.words):
            raise IndexError("numbers of another pool")
        return Words(self, numbers)


class Words:
    """Texts of a pool, four bytes each."""

    __slots__ = ("numbers", "pool")

    def __init__(self, pool: Pool, numbers: "array[int]") -> None:
        self.pool = pool
        self.numbers = numbers

    def __iter__(self) -> Iterator[str]:
        return map(self.pool.words.__getitem__, self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def __contains__(self, text: str) -> bool:
        number = self.pool.number(text)
        return number is not None and number in self.numbers

    @property
    def packed(self) -> bytes:
        """For `Pool.read`."""
        return self.numbers.tobytes()


class Counts(Mapping[str, int]):
    """Counts by name, 12 bytes each. A look-up costs as much as going through all."""

    __slots__ = ("_counts", "names")

    def __init__(self, names: Words, counts: Iterable[int] | bytes) -> None:
        self.names = names
        self._counts = array(_COUNT, counts)

    @classmethod
    def of(cls, counts: Mapping[str, int], pool: Pool) -> "Counts":
        """The same as other counts."""
        return cls(pool.add(counts), counts.values())

    def __getitem__(self, name: str) -> int:
        return dict(self.items())[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self._counts)

    def items(self) -> ItemsView[str, int]:
        return dict(zip(self.names, self._counts, strict=True)).items()

    @property
    def packed(self) -> tuple[bytes, bytes]:
        """Names and counts."""
        return self.names.packed, self._counts.tobytes()


def union(several: Iterable[Words]) -> set[str]:
    """All texts that are in any of them."""
    numbers: dict[Pool, set[int]] = {}
    for words in several:
        numbers.setdefault(words.pool, set()).update(words.numbers)
    return {pool.words[number] for pool, its in numbers.items() for number in its}
