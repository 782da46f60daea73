"""The options of a recording read again while it records: what can change at once does."""

import asyncio
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import NamedTuple

from recorder.messages import Level, Message
from recorder.recorder import Notice, Recorder
from recorder.retention import retaining
from recorder.settings import Settings
from schemas.errors import BackpackError


class Reading(NamedTuple):
    """What the options say now. path: of the file. others: names of those that changed and are not
    among the settings."""

    settings: Settings
    path: Path
    others: tuple[str, ...] = ()


Reread = Callable[[], Reading]  # raises ConfigError


class Reloader:
    """Reads the options of a recorder again, once at a time; ``notice`` hears what came of it."""

    def __init__(self, recorder: Recorder, reread: Reread, notice: Notice) -> None:
        self.recorder = recorder
        self.notice = notice
        self._reread = reread
        self._turn = asyncio.Lock()

    async def run(self) -> str:
        """Do as the options say now; what came of it, for people. Raises ConfigError or TopicError
        for what cannot be, VenueError where nobody can tell; then nothing has changed."""
        async with self._turn:
            try:
                said = await self._reload()
            except BackpackError as error:
                text = f"not reloaded, nothing has changed: {error}"
                self.notice(Message(text, "not_reloaded", Level.WARNING))
                raise
        self.notice(Message(said, "reloaded"))
        return said

    async def _reload(self) -> str:
        reading = self._reread()
        before, after = self.recorder.settings, reading.settings
        names = [field.name for field in fields(Settings)]
        differing = [name for name in names if getattr(before, name) != getattr(after, name)]
        said: list[str] = []
        if "topics" in differing:
            said += _told(*await self.recorder.give(after.topics))
        changed = [name for name in differing if name in CHANGES]
        for name in changed:
            CHANGES[name](self, after)
        said += [f"changed: {', '.join(changed)}"] if changed else []
        now = {name: getattr(after, name) for name in ("topics", *changed)}
        self.recorder.settings = replace(before, **now)
        stale = [_SPELLED.get(name, name) for name in differing if name not in now]
        if stale := [*stale, *reading.others]:
            said.append(f"needs a restart: {', '.join(stale)}")
        return "; ".join((f"read {reading.path} again", *(said or ["nothing is new"])))


def _told(new: list[str], gone: list[str]) -> list[str]:
    """In a line each, with all names."""
    lines = (("subscribed", new), ("unsubscribed", gone))
    return [f"{done}: {', '.join(names)}" for done, names in lines if names]


Change = Callable[[Reloader, Settings], None]


def _roll(reloader: Reloader, settings: Settings) -> None:
    reloader.recorder.store.schedule.change(settings.roll)


def _memory(reloader: Reloader, settings: Settings) -> None:
    reloader.recorder.intake.memory.change(settings.memory)


def _min_free(reloader: Reloader, settings: Settings) -> None:
    if reloader.recorder.space is not None:
        reloader.recorder.space.least = settings.min_free or 0


def _audit_every(reloader: Reloader, settings: Settings) -> None:
    if reloader.recorder.capture is not None:
        reloader.recorder.capture.audits.change(settings.audit_every)


def _markets_every(reloader: Reloader, settings: Settings) -> None:
    if reloader.recorder.capture is not None:
        reloader.recorder.capture.lists.change(settings.markets_every)


def _keep(reloader: Reloader, settings: Settings) -> None:
    recorder = reloader.recorder
    if recorder.retention is None or settings.keep is None:
        parts = (recorder.tape, recorder.sealer, settings.keep, reloader.notice)
        recorder.retention = retaining(*parts)
    else:
        recorder.retention.keep = settings.keep


# What can change while it is recorded, beside the topics. All else takes a restart.
CHANGES: dict[str, Change] = {
    "roll": _roll,
    "memory": _memory,
    "min_free": _min_free,
    "audit_every": _audit_every,
    "markets_every": _markets_every,
    "keep": _keep,
}

_SPELLED = {"metrics": "metrics_port"}  # options that are not spelled as the setting is
