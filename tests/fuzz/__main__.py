"""``python -m tests.fuzz [--seconds N] [TARGET ...]``: campaigns, two at a time.

``seeds`` in the place of targets writes the seeds anew; ``minimize`` puts into the corpora what the
campaigns have found to be new, and throws out what adds nothing.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.seeds import CORPUS, SEEDS, write
from tests.fuzz.targets import TARGETS
from tests.shared import ROOT

AT_ONCE = 2
SECONDS = 600
INPUT_SECONDS = 10  # a single input that takes longer hangs
MEMORY_MB = 2_048
LONGEST_INPUT = 16_384  # bytes
LONGEST_KEPT = 900  # bytes of an input in git
FINDS = ROOT / "tests" / "fuzz" / "finds"
WORK = ROOT / ".fuzz"  # inputs that were new to a campaign, not in git
MEMORY_FOLDER = Path("/dev/shm")

_DONE = re.compile(r"Done (\d+) runs in (\d+) second")
_COVERAGE = re.compile(r"cov: (\d+) ft: (\d+)")


class Outcome(NamedTuple):
    """How a campaign ended."""

    target: str
    runs: str
    coverage: str
    finds: list[Path]
    log: Path
    code: int

    def __str__(self) -> str:
        found = ", ".join(map(str, self.finds)) or "none"
        return f"{self.target}\t{self.runs} runs\tcoverage {self.coverage}\tfinds: {found}"


def campaign(target: str, seconds: int) -> Outcome:
    """Fuzz one target; what is found is in `FINDS`."""
    folder, log = WORK / target, WORK / f"{target}.log"
    folder.mkdir(parents=True, exist_ok=True)
    FINDS.mkdir(exist_ok=True)
    before = set(FINDS.glob(f"{target}-*"))
    limits = [
        f"-max_total_time={seconds}",
        f"-timeout={INPUT_SECONDS}",
        f"-max_len={LONGEST_INPUT}",
    ]
    limits += [f"-rss_limit_mb={MEMORY_MB}", f"-artifact_prefix={FINDS}/{target}-"]
    with log.open("w") as said:
        code = _libfuzzer(target, [*limits, str(folder), str(CORPUS / target)], said.fileno())
    text = log.read_text(errors="replace")
    runs, coverage = _DONE.findall(text), _COVERAGE.findall(text)
    finds = sorted(set(FINDS.glob(f"{target}-*")) - before)
    return Outcome(
        target,
        runs[-1][0] if runs else "?",
        " ".join(coverage[-1]) if coverage else "?",
        finds,
        log,
        code,
    )


def minimize(target: str) -> None:
    """The corpus becomes a small set of short inputs with the same coverage."""
    old, new = CORPUS / target, WORK / f"{target}.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    options = ["-merge=1", f"-max_len={LONGEST_KEPT}", str(new), str(old), str(WORK / target)]
    if _libfuzzer(target, options, None) == 0:
        shutil.rmtree(old)
        shutil.move(new, old)


def _libfuzzer(target: str, options: list[str], output: int | None) -> int:
    command = [sys.executable, "-m", "tests.fuzz.campaign", target]
    again = WORK / f"{target}.sh"
    again.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    again.chmod(0o755)
    scratch = {"TMPDIR": str(MEMORY_FOLDER)} if MEMORY_FOLDER.is_dir() else {}
    environment = {**os.environ, **scratch, "FUZZ_COMMAND": str(again)}
    done = subprocess.run(
        [*command, *options], cwd=ROOT, env=environment, stdout=output, stderr=output
    )
    return done.returncode


def main() -> int:
    """0 if nothing was found, 1 if something was."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of each target")
    parser.add_argument("names", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    options = parser.parse_args()
    if options.names == ["seeds"]:
        for name, inputs in SEEDS.items():
            write(name, inputs())
        return 0
    if options.names == ["minimize"]:
        for name in TARGETS:
            minimize(name)
        return 0
    wanted = options.names or list(TARGETS)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(lambda name: campaign(name, options.seconds), wanted))
    for outcome in outcomes:
        print(outcome)
        if outcome.code:
            print(*outcome.log.read_text(errors="replace").splitlines()[-40:], sep="\n")
    return int(any(outcome.code for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
