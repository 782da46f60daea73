"""What is to be recorded, in the words of those who ask: names and patterns."""

from collections.abc import Iterable

from recorder.catalogue import Catalogue
from schemas.shard import Shard


class Wanted:
    """Names and patterns asked for and asked off, in that order: of those that match a topic, the
    last one decides. What is asked for stays so while its market is closed or not listed.

    shard: only topics of it are meant; None: all.
    """

    def __init__(self, texts: Iterable[str] = (), shard: Shard | None = None) -> None:
        self._rules = dict.fromkeys(texts, True)
        self._shard = shard

    def add(self, texts: Iterable[str]) -> None:
        """Ask for these."""
        for text in texts:
            self._rules.pop(text, None)
            self._rules[text] = True

    def drop(self, texts: Iterable[str]) -> None:
        """Ask these off."""
        for text in texts:
            self._rules.pop(text, None)
            if True in self._rules.values():  # else there is nothing to be taken away
                self._rules[text] = False

    def has(self, text: str) -> bool:
        """Whether this very name or pattern is asked for."""
        return self._rules.get(text, False)

    @property
    def texts(self) -> tuple[str, ...]:
        """Names and patterns asked for."""
        return tuple(text for text, is_wanted in self._rules.items() if is_wanted)

    def names(self, catalogue: Catalogue) -> tuple[str, ...]:
        """The topics that they mean as the market list is now, each once."""
        names: dict[str, None] = {}
        for text, is_wanted in self._rules.items():
            for name in catalogue.offers(text):
                if is_wanted:
                    names[name] = None
                else:
                    names.pop(name, None)
        shard = self._shard
        return tuple(name for name in names if shard is None or shard.takes(name))
