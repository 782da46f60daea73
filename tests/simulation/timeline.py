"""From engine events to frames on a client's socket: emission and arrival times.

Within one topic, order is kept. Across topics it is not: a bookTicker may overtake the depth
frames around it, and E may step back by some microseconds (protocol fact 9).
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from tests.simulation.draws import Draws, Table

# Emission after the engine's event, in us: 0.1 to 2 ms in the samples.
LATENCY: Table = ((0, 90), (250, 170), (500, 240), (800, 420), (950, 1200), (1000, 2200))
NETWORK_NS = 2_500_000


class Arrival(NamedTuple):
    """One frame at the client: time in ns, a tie breaker, the text."""

    ts_ns: int
    order: int
    text: str


class Timeline:
    """Collects frames of one market (or of the clockwork streams) and sorts them by arrival."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self._last: dict[str, int] = {}
        self._last_ns: dict[str, int] = {}
        self._hurry = 0
        self.arrivals: list[Arrival] = []

    def event(self) -> None:
        """Begin a new engine event: its frames share one draw of the server's latency."""
        self._hurry = self._draws.table(LATENCY)

    def emitted(self, topic: str, engine_us: int, head_start_us: int = 0) -> int:
        """The E of a frame: after T, after the frame before it on the same topic, never before T.

        `head_start_us` makes a stream earlier than the others of the same event.
        """
        when = engine_us + max(20, self._hurry - head_start_us)
        when = max(when, self._last.get(topic, 0) + 2 + self._draws.below(7))
        self._last[topic] = when
        return when

    def not_before(self, topic: str, when_us: int) -> None:
        """Let the next frame of a topic be emitted after this time (a throttling window's end)."""
        self._last[topic] = max(self._last.get(topic, 0), when_us)

    def add(self, topic: str, emitted_us: int, data: dict[str, Any]) -> None:
        """Put one frame on the client's socket shortly after its emission."""
        arrival = emitted_us * 1000 + NETWORK_NS + self._draws.below(30_000)
        arrival = max(arrival, self._last_ns.get(topic, 0) + 1)
        self._last_ns[topic] = arrival
        text = json.dumps({"data": data, "stream": topic}, separators=(",", ":"))
        self.arrivals.append(Arrival(arrival, len(self.arrivals), text))
