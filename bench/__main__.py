"""``python -m bench [engine] [size] [recorder] [server]``: all of them, or those named."""

import argparse
import platform
import sys
from collections.abc import Callable
from functools import partial

from bench import captures, engine, recorder, server, size


def main() -> int:
    """Run the benches named on the command line."""
    asked = _arguments()
    benches: dict[str, Callable[[], None]] = {
        "engine": engine.run,
        "size": size.run,
        "recorder": recorder.run,
        "server": partial(server.run, asked.frames),
    }
    names = asked.names or list(benches)
    if unknown := [name for name in names if name not in benches]:
        print(f"no bench {', '.join(unknown)}; there are {', '.join(benches)}", file=sys.stderr)
        return 2
    if not captures.available():
        print(f"the real captures are not there: {captures.REAL}", file=sys.stderr)
        return 1
    print(f"Python {platform.python_version()} on {platform.machine()}")
    for name in names:
        benches[name]()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="BENCH")
    parser.add_argument(
        "--frames",
        type=int,
        default=server.FRAMES,
        help="of the long recording that is served (%(default)s)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
