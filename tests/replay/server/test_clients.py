"""Clients that know nothing of this project: one in Python, one in Node.js.

Each subscribes, asks for a snapshot over plain HTTP, joins the two as protocol section 3.3 says,
and keeps a book of its own until the server closes the connection. That book is the one of the
recording, level by level, at a pace and in lockstep.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from websockets.asyncio.client import connect

from tests.final_books import FinalBook, Levels, final_books
from tests.replay.server.stage import SAMPLE, messages, run, serving
from tests.shared import ROOT
from tests.venue.shadow_book import ShadowBook

MARKETS = ("SOL_USDC", "BTC_USDC_PERP")
TOPICS = tuple(f"depth.{market}" for market in MARKETS)
PACES: dict[str, dict[str, Any]] = {
    "paced": {"speed": 40.0},
    "lockstep": {"speed": None, "lockstep": True},
}
GOING_AWAY = 1001

NODE = ROOT / "tests" / "node"
NPM_INSTALL = (
    *("npm", "install", "--no-package-lock", "--no-audit", "--no-fund"),
    *("--ignore-scripts", "--prefer-offline", "--fetch-retry-mintimeout=500"),
    *("--fetch-retry-maxtimeout=2000", "--fetch-timeout=30000"),
)
# Of the codes that npm gives where it cannot reach a registry.
NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ECONN", "UNREACH", "TIMEDOUT", "ENOTCACHED")


class Told(NamedTuple):
    """What a client has at the end. frames: of depth that came, by market.

    code: of the Close frame. deflate: whether messages came compressed.
    """

    code: int
    deflate: bool
    frames: dict[str, int]
    books: dict[str, FinalBook]


Recorded = tuple[dict[str, int], dict[str, FinalBook]]  # frames and books of each market
Client = Callable[[str, str], Awaitable[Told]]  # is given the addresses of websocket and REST


class Market:
    """A market of the Python client."""

    def __init__(self) -> None:
        self.frames = 0
        self._waiting: list[dict[str, Any]] = []
        self._book: ShadowBook | None = None

    def take(self, delta: dict[str, Any]) -> None:
        """A depth frame came."""
        self.frames += 1
        if self._book is None:
            self._waiting.append(delta)
        else:
            _apply(self._book, delta)

    def join(self, snapshot: str) -> None:
        """The snapshot came."""
        self._book = ShadowBook(snapshot)
        for delta in self._waiting:
            _apply(self._book, delta)

    def book(self) -> FinalBook:
        """As it is, best first."""
        assert self._book is not None, "no snapshot came"
        bids, asks = sorted(self._book.bids.items()), sorted(self._book.asks.items())
        return FinalBook(self._book.update_id, bids[::-1], asks)


def _apply(book: ShadowBook, delta: dict[str, Any]) -> None:
    """Which ignores what is older than the book."""
    assert delta["U"] <= book.update_id + 1, f"a gap: {delta['U']} came after {book.update_id}"
    book.apply(delta)


async def python_client(ws_url: str, rest_url: str) -> Told:
    """The ``websockets`` package and dictionaries."""
    markets = {symbol: Market() for symbol in MARKETS}

    async def join(symbol: str) -> None:
        async with http.get(f"{rest_url}/api/v1/depth?symbol={symbol}&limit=1000") as reply:
            assert reply.status == 200, await reply.text()
            markets[symbol].join(await reply.text())

    async with (
        aiohttp.ClientSession() as http,
        connect(ws_url, compression="deflate", proxy=None) as socket,
        asyncio.TaskGroup() as joining,
    ):
        await socket.send(json.dumps({"method": "SUBSCRIBE", "params": TOPICS}))
        async for text in socket:  # until it is closed in order
            delta = json.loads(text)["data"]
            market = markets[delta["s"]]
            market.take(delta)
            if market.frames == 1:
                joining.create_task(join(delta["s"]))
    return Told(
        socket.close_code or 0,
        bool(socket.protocol.extensions),
        {symbol: market.frames for symbol, market in markets.items()},
        {symbol: market.book() for symbol, market in markets.items()},
    )


@pytest.fixture(scope="session")
def node_client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    """``tests/node/client.mjs``, in a folder of its own that has what it needs."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("node")
    script = shutil.copy(NODE / "client.mjs", folder)
    (folder / "node_modules").symlink_to(_node_modules(tmp_path_factory))

    async def client(ws_url: str, rest_url: str) -> Told:
        command = ("node", script, ws_url, rest_url, *MARKETS)
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return _told(json.loads(out))

    return client


def _node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``package.json`` names, installed once for each of its versions; whoever comes at the
    same time waits."""
    package = (NODE / "package.json").read_bytes()
    in_venv = sys.prefix != sys.base_prefix
    cache = Path(sys.prefix) if in_venv else tmp_path_factory.getbasetemp().parent
    folder = cache / "node" / hashlib.sha256(package).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "installed").exists():
            (folder / "package.json").write_bytes(package)
            _npm_install(folder)
            (folder / "installed").touch()
    return folder / "node_modules"


def _npm_install(folder: Path) -> None:
    """Skips where there is no network."""
    ended = subprocess.run(NPM_INSTALL, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode and any(sign in ended.stderr for sign in NO_NETWORK):
        pytest.skip(f"npm cannot install ws: {ended.stderr.splitlines()[0]}")
    assert ended.returncode == 0, ended.stderr


def _told(said: dict[str, Any]) -> Told:
    books = said["books"]
    return Told(
        said["code"],
        said["deflate"],
        {symbol: book["frames"] for symbol, book in books.items()},
        {
            symbol: FinalBook(book["updateId"], _levels(book["bids"]), _levels(book["asks"]))
            for symbol, book in books.items()
        },
    )


def _levels(texts: list[list[str]]) -> Levels:
    """Units of 1e-9 as plain decimals."""
    return [(Decimal(price).scaleb(-9), Decimal(qty).scaleb(-9)) for price, qty in texts]


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    """Depth frames of each market, and its book at the end."""
    frames = {market: len(messages(SAMPLE, f"depth.{market}")) for market in MARKETS}
    return frames, final_books(SAMPLE, *MARKETS)


async def _served(client: Client, pace: str) -> Told:
    """What a client has at the end of a replay that is served to it."""
    async with serving(topics=TOPICS, **PACES[pace]) as stage:
        told = asyncio.ensure_future(client(stage.server.ws_url, stage.server.rest_url))
        ended = asyncio.create_task(stage.server.ended())
        await asyncio.wait([told, ended], return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
    assert not stage.said("lockstep")  # which is where it says that it gave up
    return await told


def _check(client: Client, pace: str, recorded: Recorded) -> None:
    """All frames came, its books are those of the recording, and it was closed in order."""

    async def scene() -> None:
        told = await _served(client, pace)
        assert (told.frames, told.books) == recorded
        assert (told.code, told.deflate) == (GOING_AWAY, True)

    run(scene)


@pytest.mark.parametrize("pace", PACES)
def test_python(pace: str, recorded: Recorded) -> None:
    """A client in Python."""
    _check(python_client, pace, recorded)


@pytest.mark.parametrize("pace", PACES)
def test_node(pace: str, recorded: Recorded, node_client: Client) -> None:
    """A client in Node.js, with the ``ws`` package."""
    _check(node_client, pace, recorded)
