"""One campaign: ``python -m tests.fuzz.campaign TARGET [libFuzzer's options]``; needs atheris."""

import sys

import atheris

with atheris.instrument_imports(include=["schemas", "market", "tape", "tests.fuzz"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Does not return: libFuzzer ends the process."""
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
