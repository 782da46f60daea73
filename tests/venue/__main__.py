"""The venue as a process of its own: `python -m tests.venue --feed sim --speed max --port 0`.

Prints one JSON line when it is ready: `{"event":"ready","ws":...,"rest":...,"topics":[...]}`, and
one when the feed is at its end (or SIGTERM came before it):
`{"event":"played","frames":N,"topics":{topic: frames sent},...}`. It then goes on serving, its
books as of the end, until SIGTERM or SIGINT; with `--exit` it closes the connections and ends.

The feed starts when the topics of `--expect` are subscribed, by default when anything is, and
nothing new came for `--settle` seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.shared import SHARED
from tests.simulate import Plan, simulate
from tests.venue.accounts import Accounts
from tests.venue.feed import Feed, load_real, load_sample, of_session
from tests.venue.link import Sent
from tests.venue.options import Options
from tests.venue.script import Cut, Do, Play, Step, Wait, WaitSubscribed
from tests.venue.server import Venue
from tests.venue.taped import load_tape

LOST_PER_CUT = 40


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.venue", description=__doc__)
    parser.add_argument(
        "--feed", default="sim", help="sim, sim:SEED, real:NAME, sample:FILE or tape:FOLDER"
    )
    parser.add_argument("--seconds", type=int, default=60, help="length of the simulation")
    parser.add_argument("--speed", default="1", help="times real time, or max")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--repeat", type=int, default=1, help="times the feed's length, ids going on; 0: endless"
    )
    parser.add_argument("--frames", type=int, help="stop after this many frames of the feed")
    parser.add_argument("--expect", default="", help="topics to wait for, comma separated, or all")
    parser.add_argument("--settle", type=float, default=0.2, help="seconds without a new topic")
    parser.add_argument("--cut-every", type=int, help="cut all connections after so many frames")
    parser.add_argument("--no-deflate", action="store_true", help="refuse permessage-deflate")
    parser.add_argument("--account", action="store_true", help="sim: an account that trades, too")
    parser.add_argument("--key", help="check signatures: of account streams, only this key's")
    parser.add_argument("--ping", type=float, default=60.0, help="seconds between Pings")
    parser.add_argument("--log", type=Path, help="write every sent frame here, one JSON per line")
    parser.add_argument("--exit", action="store_true", help="end after the feed")
    parser.add_argument(
        "--print-urls", action="store_true", help="accepted; they are always printed"
    )
    return parser.parse_args(argv)


def feed_of(args: argparse.Namespace) -> Feed:
    """The feed named on the command line; raises ValueError for an unknown kind."""
    kind, _, name = args.feed.partition(":")
    if kind == "sim":
        seed = int(name or 1)
        return of_session(simulate(Plan(seed, seconds=args.seconds, account=args.account)))
    if kind == "real":
        return load_real(name)
    if kind == "sample":
        path = Path(name)
        return load_sample(path if path.exists() else SHARED / "samples" / name)
    if kind == "tape":
        return load_tape(Path(name))
    raise ValueError(f"--feed {args.feed}: use sim[:SEED], real:NAME, sample:FILE or tape:FOLDER")


async def settle(venue: Venue, seconds: float) -> None:
    """Wait until no topic was added for some seconds."""
    seen = -1
    while seen != (seen := sum(len(link.topics) for link in venue.connections)):
        await asyncio.sleep(seconds)


def script_of(args: argparse.Namespace, feed: Feed, total: int) -> list[Step]:
    """Wait for subscribers, then play `total` frames, cutting on the way if asked to."""
    names = sorted(feed.topics) if args.expect == "all" else args.expect.split(",")
    wait: list[Step] = [WaitSubscribed(name or None) for name in names]
    wait.append(Do(lambda venue: settle(venue, args.settle)))
    speed = None if args.speed == "max" else float(args.speed)
    every = args.cut_every or total
    script, at = list(wait), 0
    while at < total:
        stop = min(at + every, total)
        script.append(Play(feed, speed, at, stop))
        if stop < total:
            after = min(stop + LOST_PER_CUT, total)
            script += [Wait(0.05), Cut(), Play(feed, speed, stop, after, lost=True), *wait]
            stop = after
        at = stop
    return script


def total_of(args: argparse.Namespace, feed: Feed) -> int:
    """How many frame positions to play, through all rounds."""
    endless = 1 << 40
    limit: int = endless if args.frames is None else args.frames
    if args.repeat == 1 and args.frames is None:
        return len(feed.frames)
    if args.repeat == 1:
        return limit
    if args.repeat == 0:
        return limit
    rounds: int = args.repeat
    return min(limit, rounds * len(feed.frames))


def say(line: dict[str, object]) -> None:
    """One JSON line to standard output, at once."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def options_of(args: argparse.Namespace) -> Options:
    """The venue's options; frames are not kept in memory, a log file takes them if wanted."""
    sink = None
    if args.log is not None:
        log = args.log.open("w", encoding="utf-8", buffering=1)

        def sink(sent: Sent) -> None:
            frame = sent.frame if isinstance(sent.frame, str) else sent.frame.hex()
            row = {"connection": sent.connection, "sent_ns": time.time_ns(), "frame": frame}
            log.write(json.dumps(row) + "\n")

    ping = args.ping or None
    accounts = Accounts([args.key]) if args.key else None
    return Options(args.port, not args.no_deflate, ping, log=False, sink=sink, accounts=accounts)


async def main(args: argparse.Namespace) -> None:
    """Serve until told to end."""
    feed = feed_of(args)
    total = total_of(args, feed)
    told = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, told.set)
    venue = Venue.of_feed(feed, script_of(args, feed, total), options_of(args))
    if total > len(feed.frames):
        venue.reel(feed)  # built now, so that playing does not pause for it
    async with venue:
        ready = {"event": "ready", "ws": venue.ws_url, "rest": venue.rest_url}
        say({**ready, "topics": sorted(feed.topics), "frames": total})
        await serve_until(venue, told, args.exit)


async def serve_until(venue: Venue, told: asyncio.Event, leave: bool) -> None:
    """Report the counts when the script or the process ends, whichever is first."""
    begun = time.monotonic()
    played = asyncio.create_task(venue.finished())
    end = asyncio.create_task(told.wait())
    await asyncio.wait({played, end}, return_when=asyncio.FIRST_COMPLETED)
    counts = dict(sorted(venue.counts.items()))
    say(
        {
            "event": "played",
            "complete": played.done(),
            "frames": sum(counts.values()),
            "topics": counts,
            "connections": len(venue.connections),
            "requests": len(venue.requests),
            "seconds": round(time.monotonic() - begun, 3),
        }
    )
    if played.done():
        await played
    else:
        played.cancel()
    if not leave:
        await end
    end.cancel()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
