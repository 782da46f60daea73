"""``python -m bench [engine] [size] [recorder]``: all of them, or those named."""

import platform
import sys

from bench import captures, engine, recorder, size

BENCHES = {"engine": engine.run, "size": size.run, "recorder": recorder.run}


def main() -> int:
    """Run the benches named on the command line."""
    names = sys.argv[1:] or list(BENCHES)
    if unknown := [name for name in names if name not in BENCHES]:
        print(f"no bench {', '.join(unknown)}; there are {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    if not captures.available():
        print(f"the real captures are not there: {captures.REAL}", file=sys.stderr)
        return 1
    print(f"Python {platform.python_version()} on {platform.machine()}")
    for name in names:
        BENCHES[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
