"""Silences that another process has watched over, when its recording is taken over."""

from collections.abc import Iterable
from typing import NamedTuple

from recorder.intake import Intake
from recorder.vigil import Vigil
from schemas.frames import Judgement, Kind, SilenceNoted, to_json

NOT_WATCHED = "the process that has taken over does not watch over silence"

Silent = tuple[str, SilenceNoted]  # with the topic


class Watchers(NamedTuple):
    """Of the process that takes over. vigil: None where it does not watch."""

    intake: Intake
    vigil: Vigil | None


class Inherited:
    """Made before anything that was held is taken, as the first message of a topic ends its
    silence."""

    def __init__(self, silences: Iterable[Silent], watchers: Watchers) -> None:
        self._silences = list(silences)
        self._watchers = watchers
        for name, noted in self._silences:
            if watchers.vigil is not None and noted.until is None:
                watchers.vigil.adopt(name, noted)

    def tell(self) -> None:
        """What was held is taken: those that go on are on the tape of this process too, and so is
        the end of those that had ended already."""
        intake, vigil = self._watchers
        for name, noted in self._silences:
            if noted.until is None and vigil is not None:
                vigil.repeat(name)
                continue
            if noted.until is None:
                noted = SilenceNoted(Judgement.UNKNOWN, NOT_WATCHED, "", noted.since)
            intake.take(Kind.SILENCE, to_json(noted), topic=name)
