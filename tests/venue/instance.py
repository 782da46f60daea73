"""One of the venue's websocket servers: all say the same, each with its own clock and faults."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.venue.link import Cue

_SENT_AT = re.compile(r'"E":(\d+)')


class Instance:
    """What a connection's server does to frames: it loses some, at random but always the same ones
    for a seed, and stamps the others by its own clock.

    loss: share of frames lost. ahead_us: of the clocks of all others. lost: those it lost.
    """

    def __init__(self, seed: int = 0, loss: float = 0.0, ahead_us: int = 0) -> None:
        self._random = Random(seed)
        self._loss = loss
        self._ahead_us = ahead_us
        self.lost: list[str] = []

    def spread(self, cues: Sequence[Cue]) -> list[Cue]:
        """What it sends of these."""
        sent = []
        for cue in cues:
            if self._loss and self._random.random() < self._loss:
                self.lost.append(cue.text)
            else:
                sent.append(self._stamped(cue))
        return sent

    def _stamped(self, cue: Cue) -> Cue:
        if not self._ahead_us:
            return cue
        late = self._ahead_us + self._random.randrange(100)
        text = _SENT_AT.sub(lambda found: f'"E":{int(found[1]) + late}', cue.text, count=1)
        return cue._replace(text=text)
