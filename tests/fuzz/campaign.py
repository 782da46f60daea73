"""One campaign: ``python -m tests.fuzz.campaign TARGET [libFuzzer's options]``; needs atheris.

FUZZ_COMMAND: what starts this again with the same target, which libFuzzer does to merge corpora.
"""

import os
import sys

import atheris

with atheris.instrument_imports(include=["schemas", "market", "replay", "tape", "tests.fuzz"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Does not return: libFuzzer ends the process."""
    target = TARGETS[sys.argv.pop(1)]
    sys.argv[0] = os.environ.get("FUZZ_COMMAND", sys.argv[0])
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
