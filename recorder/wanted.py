"""What was asked for: names and patterns, from the options and from ``bp-record ctl``."""

from collections.abc import Iterable

from recorder.catalogue import Catalogue
from schemas.shard import Shard

Rules = dict[str, bool]  # by name or pattern, whether it is asked for, in order


class Wanted:
    """Names and patterns asked for and asked off, in that order: of those that match a topic, the
    last one decides. What is asked for stays so while its market is closed or not listed.

    given: what the options ask for, command line or file. They may be read again; what was said
    by hand since the start comes behind them all the same.
    shard: only topics of it are meant; None: all.
    """

    def __init__(self, given: Iterable[str] = (), shard: Shard | None = None) -> None:
        self._given = tuple(dict.fromkeys(given))
        self._said: Rules = {}
        self._shard = shard

    def give(self, texts: Iterable[str]) -> None:
        """The options ask for these now, and no more for what they asked for before."""
        self._given = tuple(dict.fromkeys(texts))

    def add(self, texts: Iterable[str]) -> None:
        """Ask for these."""
        for text in texts:
            self._said.pop(text, None)
            self._said[text] = True

    def drop(self, texts: Iterable[str]) -> None:
        """Ask these off."""
        for text in texts:
            self._said.pop(text, None)
            if self._given or True in self._said.values():  # else there is nothing to take away
                self._said[text] = False

    def has(self, text: str) -> bool:
        """Whether this very name or pattern is asked for."""
        return self._rules.get(text, False)

    @property
    def said(self) -> tuple[tuple[str, bool], ...]:
        """What was asked for by hand, and what was asked off, in that order."""
        return tuple(self._said.items())

    def say(self, said: Iterable[tuple[str, bool]]) -> None:
        """What was said by hand to another recorder, before all that was said to this one."""
        self._said = dict(said) | self._said

    @property
    def texts(self) -> tuple[str, ...]:
        """Names and patterns asked for."""
        return tuple(text for text, is_wanted in self._rules.items() if is_wanted)

    @property
    def _rules(self) -> Rules:
        given = dict.fromkeys((text for text in self._given if text not in self._said), True)
        return given | self._said

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
