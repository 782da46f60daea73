"""``bp-replay --serve`` in a process of its own, and what may be asked of it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic_ns
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from bench.listener import Heard
from bench.process import Watched, take_place
from tape.moment import moment

_BP_REPLAY = str(Path(sys.executable).parent / "bp-replay")
_CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU, CLIENT_CPU = _CPUS[0], _CPUS[-1]


class Address(NamedTuple):
    """Where a listener connects, and what it subscribes to."""

    host: str
    port: int
    topics: list[str]


class Anchor(NamedTuple):
    """When a moment of the tape was, on this computer's monotonic clock: between two times, ns."""

    earliest: int
    latest: int

    @property
    def doubt_ms(self) -> float:
        """How far these are apart."""
        return (self.latest - self.earliest) / 1e6


class Served:
    """A server on a processor that it has for itself, if there are two.

    once: it ends with the recording, which is waited for at the end of the context; else it is told
    to end there. ahead: see `bench.process.take_place`.
    """

    def __init__(self, data: Path, *options: str, once: bool = False, ahead: bool = False) -> None:
        self._once = once
        end = ("--at-end", "exit" if once else "stay")
        command = [_BP_REPLAY, str(data), "--serve", "0", *end, *options]
        self.watched = Watched(command, SERVER_CPU, ahead)
        ready = self.watched.wait_for("ready")
        url = urlsplit(ready["ws"])
        self.address = Address(str(url.hostname), int(url.port or 0), ready["topics"])
        self._http = HTTPConnection(self.address.host, self.address.port)
        self.get("/control")  # the first request takes a server some 10 ms

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()
        if kind is not None or not self._once:
            self.watched.process.send_signal(signal.SIGINT)
        self.watched.output()

    def get(self, path: str) -> Any:
        """The reply to a GET; raises unless it is 200."""
        return self._ask("GET", path, None)

    def command(self, **members: object) -> Mapping[str, Any]:
        """Carry out a command; how things are then."""
        said: Mapping[str, Any] = self._ask("POST", "/control", json.dumps(members))
        return said

    def anchor(self, ts: int, speed: float, times: int = 20) -> Anchor:
        """When tape time ``ts`` was, from its own word of what time it is now: it said so after it
        was asked and before the answer was there."""
        earliest, latest = 0, 1 << 62
        for _ in range(times):
            asked = monotonic_ns()
            said = moment(self.get("/control")["time"], 0)
            heard = monotonic_ns()
            since = int((said - ts) / speed)
            earliest, latest = max(earliest, asked - since), min(latest, heard - since)
        return Anchor(earliest, latest)

    def _ask(self, method: str, path: str, body: str | None) -> Any:
        self._http.request(method, path, body)
        reply = self._http.getresponse()
        text = reply.read()
        if reply.status != 200:
            raise RuntimeError(f"{method} {path}: {reply.status} {text[:200]!r}")
        return json.loads(text)


class Listener:
    """A client in a process of its own, on the processor of the clients."""

    def __init__(self, address: Address, mode: str = "plain", ahead: bool = False) -> None:
        where = [address.host, str(address.port), *address.topics]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.listener", mode, *where],
            stdout=subprocess.PIPE,
            preexec_fn=lambda: take_place(CLIENT_CPU, ahead),
        )

    def heard(self) -> Heard:
        """Wait until its connection is closed; what came."""
        said, _ = self._process.communicate()
        if self._process.returncode:
            raise RuntimeError(f"a listener failed with {self._process.returncode}")
        return Heard.of(said)


def crowd(server: Watched, *clients: Heard) -> str:
    """How much of the time processes waited for their processors, as others had them."""
    shares = ", ".join(f"{heard.crowded:.0%}" for heard in clients)
    return f"waited for a processor: server {server.crowded:.0%}, clients {shares}"
