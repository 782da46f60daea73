"""The market maker of docs/: the same decisions live and replayed, and its keys are nowhere."""

from __future__ import annotations

import asyncio
import base64
import os
import resource
import signal
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest
import zstandard

from tests.recorder.pairs import pair
from tests.shared import ROOT
from tests.simulate import Plan, simulate
from tests.venue import Accounts, Options, Play, Venue, WaitSubscribed, of_session

STRATEGY = ROOT / "docs" / "maker.py"
SYMBOL = "BTC_USDC_PERP"
KINDS = ("orderUpdate", "positionUpdate", "balanceUpdate", "rfqUpdate")
TOPICS = (
    f"depth.{SYMBOL}",
    f"trade.{SYMBOL}",
    f"kline.1m.{SYMBOL}",
    *map("account.{}".format, KINDS),
)
KEYS = pair(sha256(b"a seed like any other").digest())
HALF = 1_500  # frames
# Of the thread that is ended alone: a look at one that runs on may end in SIGSEGV (seen on 3.13).
TRACED = """
import faulthandler, runpy, sys
faulthandler.enable(all_threads=False)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Ended(NamedTuple):
    """A run that is over."""

    code: int
    lines: list[str]
    errors: str


class Runs(NamedTuple):
    """All that was run, what it left behind, and the signatures that came with it."""

    live: Ended
    replayed: Ended
    killed: Ended
    folder: Path
    signatures: set[str]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """A live run and its replay; and one that is killed, of which a core file would be left."""
    return asyncio.run(_runs(tmp_path_factory.mktemp("maker")))


async def _runs(folder: Path) -> Runs:
    accounts = Accounts([KEYS.key])
    live = await _live(folder, accounts, None)
    replayed = await _run(folder, "replay", "live")
    killed = await _live(folder, accounts, signal.SIGABRT)
    signatures = {signature[1] for _, signature in accounts.seen}
    return Runs(live, replayed, killed, folder, signatures)


async def _live(folder: Path, accounts: Accounts, kill: signal.Signals | None) -> Ended:
    """With a venue of its own; killed in its middle, if at all."""
    feed = of_session(simulate(Plan(seconds=20, account=True)))
    script = [*map(WaitSubscribed, TOPICS), Play(feed, 10.0, stop=HALF if kill else None)]
    async with Venue.of_feed(feed, script, Options(accounts=accounts, log=False)) as venue:
        where = ("--ws-url", venue.ws_url, "--rest-url", venue.rest_url, "--seconds", "5")
        running = asyncio.create_task(
            _run(folder, "live", f"live{kill or ''}", *where, kill=venue if kill else None)
        )
        return await running


async def _run(folder: Path, *arguments: str, kill: Venue | None = None) -> Ended:
    """A process that may leave core files in the folder, and tells in them all it can."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", TRACED, str(STRATEGY), *arguments),
        cwd=folder,
        env=os.environ
        | {"BP_API_KEY": KEYS.key, "BP_API_SECRET": KEYS.secret, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=_allow_core_files,
    )
    if kill is not None:
        await kill.finished()
        process.send_signal(signal.SIGABRT)
    out, errors = await process.communicate()
    (folder / f"{arguments[1]}.log").write_bytes(out + errors)
    return Ended(process.returncode or 0, out.decode().splitlines(), errors.decode())


def _allow_core_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


def test_same_decisions_live_and_replayed(runs: Runs) -> None:
    """Line for line, and of all that it looks at."""
    assert (runs.live.code, runs.replayed.code) == (0, 0), runs.live.errors + runs.replayed.errors
    assert runs.live.lines == runs.replayed.lines
    assert len(runs.live.lines) > 30
    text = "\n".join(runs.live.lines)
    assert " / " in text
    assert "Bid" in text
    assert "Ask" in text
    assert runs.live.lines[-1].split(" after ")[1] != "0 fills"


def test_its_keys_are_nowhere(runs: Runs) -> None:
    """Not on the tape, nor in what it printed, nor in what was left of the one that was killed."""
    assert runs.killed.code == -signal.SIGABRT
    assert "most recent call first" in runs.killed.errors, "no traceback was searched"
    assert len(runs.signatures) >= 2 * len(KINDS)
    seed = base64.b64decode(KEYS.secret)
    hidden = {KEYS.secret.encode(), seed, seed.hex().encode()}
    for signature in runs.signatures:
        raw = base64.b64decode(signature)
        hidden |= {signature.encode(), raw, raw.hex().encode()}
    known = 0
    for path, content in _contents(runs.folder):
        assert not [secret for secret in hidden if secret in content], path
        known += b"account.orderUpdate" in content
    assert known > 3, "the search finds nothing at all"


def _contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """All bytes of all files, as they lie there and unpacked."""
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            yield path, content
            if path.name.endswith(".zst"):
                yield path, b"".join(_unpacked(path))
            if path.suffix == ".parquet":
                yield path, repr(pq.ParquetFile(path).read().to_pylist()).encode()


def _unpacked(path: Path) -> Iterator[bytes]:
    with (
        path.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as reader,
    ):
        while part := reader.read(1 << 20):
            yield part
