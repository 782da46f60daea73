"""How fast a recording goes out to one client with ``--speed max``, and what bounds that."""

import json
import sys
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bench.listener import Heard
from bench.process import Watched
from bench.report import line
from bench.rounds import SPAN_NS, WALL_NS
from bench.served import SERVER_CPU, Address, Listener, Served, crowd
from tape.layout import Tape
from tape.moment import stamp
from tape.reader import segments

ROUNDS = {"plain": 48, "deflate": 8}  # of the capture, with some 60,000 messages each
LIMITED = 1_000_000  # messages of the limits, which are held in memory
AIM = 40_000


class Run(NamedTuple):
    """What a client heard, from a process that was watched."""

    heard: Heard
    watched: Watched

    @property
    def figure(self) -> str:
        """Messages a second."""
        return f"{self.heard.rate:,.0f}/s"

    @property
    def note(self) -> str:
        """Their size on the wire, and what was in the way."""
        size = self.heard.size / self.heard.messages
        return f"{size:.0f} bytes each; {crowd(self.watched, self.heard)}"


def run(data: Path) -> None:
    """Print the lines of this part. The time is that from the first receipt to the last."""
    served = _served(data, "plain")
    socket, decode = _socket(data, LIMITED), _decode(data, LIMITED)
    rate = served.heard.rate
    print(f"-- bp-replay --serve --speed max, {served.heard.messages:,} messages to one client")
    line("decode only: the limit of any reader", f"{decode:,.0f}/s")
    line("plain socket: the same bytes from memory", socket.figure, socket.note)
    line("served", served.figure, f"aim {AIM:,}/s; {served.note}")
    line("  of the plain socket", f"{rate / socket.heard.rate:.0%}")
    line("  of decode only", f"{rate / decode:.0%}")
    line("memory of the server", "", str(served.watched.memory))
    deflated = _served(data, "deflate")
    line("served with permessage-deflate", deflated.figure, deflated.note)


def _served(data: Path, mode: str) -> Run:
    last_ts = segments(Tape(data))[-1].last_ts
    until = stamp(min(WALL_NS + ROUNDS[mode] * SPAN_NS, last_ts + 1))
    options = ("--start", "on-subscribe", "--speed", "max", "--until", until)
    with Served(data, *options, once=True) as server:
        heard = Listener(server.address, mode).heard()
    return Run(heard, server.watched)


def _socket(data: Path, messages: int) -> Run:
    """The bytes of those messages, all framed before."""
    limit = _limit("plain", data, messages)
    url = urlsplit(limit.wait_for("ready")["ws"])
    address = Address(str(url.hostname), int(url.port or 0), ["x" * 150])
    heard = Listener(address).heard()
    limit.output()
    return Run(heard, limit)


def _decode(data: Path, messages: int) -> float:
    """Messages a second that are read and not used."""
    said = json.loads(_limit("decode", data, messages).output())
    rate: float = said["messages"] / said["seconds"]
    return rate


def _limit(name: str, data: Path, messages: int) -> Watched:
    command = [sys.executable, "-m", "bench.limits", name, str(data), str(messages)]
    return Watched(command, SERVER_CPU)
