"""``recorder.Live``: the loop body of a replay, fed by the venue; it sees what is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from market.feed import Feed
from recorder import Live
from replay import Replay
from schemas.errors import BackpackError, TopicError, UsageError, VenueError
from schemas.rows import Depth, Row, Trade
from tests.recorder import plain
from tests.recorder.commands import FarEnd, venue
from tests.recorder.market import SNAPSHOTS, SOL, TRADES, bids, trade
from tests.recorder.runs import Address, Where, sides_of
from tests.venue import Cut, Do, Send, Step, Venue, Wait, WaitRequest, WaitSubscribed

LAST = 77  # id of the trade that ends a loop
SCRIPT = [
    *[WaitSubscribed(TRADES), *map(Send, bids(11, 3)), Send(trade(70))],
    *[WaitRequest("/api/v1/depth"), *map(Send, bids(14, 20)), Send(trade(71)), Wait(0.05), Cut()],
    *[WaitSubscribed(TRADES), *map(Send, bids(36, 3)), WaitRequest("/api/v1/depth"), Wait(0.2)],
    *[*map(Send, bids(39, 20)), Send(trade(LAST))],
]

Seen = tuple[Row, object, object]  # a row, with the book and the trades as they stood with it


def live_from(address: Address, *topics: str, **more: Any) -> Live:
    """A live feed from a venue."""
    return Live(topics, ws_url=address.ws_url, rest_url=address.rest_url, **more)


def seen(row: Row, feed: Feed) -> Seen:
    """What a loop sees; the book is copied, since it goes on changing."""
    book, state = feed.book("SOL_USDC"), feed.state
    copied = None if book is None else (book.last_update_id, sides_of(book))
    return row, copied, (state.trades("SOL_USDC"), state.quotes(), state.tickers())


def replayed(data: Path, *topics: str) -> list[Seen]:
    """What the same loop sees in a replay of the recording."""
    replay = Replay(data, topics=topics or None)
    return [seen(row, replay) for row in replay]


def check_same(live: list[Seen], data: Path) -> None:
    """The loop saw what the recording replays, from its first row on. What the recording has more
    is its end, or what came while the loop was being left."""
    again = replayed(data)
    assert any(book is not None for _, book, _ in live)
    assert any(any(answers) for *_, answers in live if isinstance(answers, tuple))
    assert live == again[: len(live)]
    assert plain.manifests(data)[0]["verdict"] == "certified"


def test_async_rows_and_books_are_those_of_the_recording(tmp_path: Path) -> None:
    """Through an outage with a hole, to the last trade of the script."""

    async def scene() -> list[Seen]:
        found: list[Seen] = []
        async with Venue(SCRIPT, snapshots=SNAPSHOTS) as far_end:
            live = live_from(far_end, SOL, TRADES, data=tmp_path)
            async with aclosing(aiter(live)) as rows:
                async for row in rows:
                    found.append(seen(row, live))
                    if isinstance(row, Trade) and row.trade_id == LAST:
                        break
        return found

    live = asyncio.run(scene())
    check_same(live, tmp_path)
    tables = {row.TABLE for row, *_ in live}
    assert tables == {"session", "depth", "trade", "gap", "clock", "market"}
    assert live[-1][1] is not None
    assert plain.journals(tmp_path) == []


@pytest.fixture(scope="module")
def flow() -> Iterator[FarEnd]:
    """A venue as a process, since a plain loop leaves no room for it in this one."""
    with venue("--feed", "sim", "--seconds", "20", "--speed", "4", "--repeat", "0") as far_end:
        yield far_end


def test_plain_rows_and_books_are_those_of_the_recording(flow: FarEnd, tmp_path: Path) -> None:
    """For a while, without a line of asyncio; it ends by itself and seals. A machine with much else
    to do has no book within a second."""
    found: list[Seen] = []
    for seconds in (1.5, 6.0, 24.0):
        data = tmp_path / str(seconds)
        live = live_from(flow, *flow.topics, data=data, duration=seconds)
        found = [seen(row, live) for row in live]
        if any(book is not None for _, book, _ in found):
            break
    check_same(found, data)
    rest = replayed(data)[len(found) :]
    assert {"session", "depth"} <= {row.TABLE for row, *_ in rest}  # the close..
    assert rest[-1][1] is None  # ..and books cleared; before it, what came meanwhile
    assert plain.journals(data) == []


def test_a_plain_loop_may_be_left_at_any_row(flow: FarEnd, tmp_path: Path) -> None:
    """Leaving it stops in order: sealed before the next statement."""
    found = []
    live = live_from(flow, *flow.topics, data=tmp_path)
    for row in live:
        found.append(seen(row, live))
        if len(found) >= 200 and found[-1][1] is not None:
            break
    check_same(found, tmp_path)


def test_nothing_need_be_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a folder no file is made."""
    monkeypatch.chdir(tmp_path)

    async def scene() -> list[Row]:
        async with Venue(SCRIPT, snapshots=SNAPSHOTS) as far_end:
            rows: list[Row] = []
            async with aclosing(aiter(live_from(far_end, SOL, TRADES))) as live:
                async for row in live:
                    rows.append(row)
                    if isinstance(row, Trade) and row.trade_id == LAST:
                        return rows
        raise AssertionError("the last trade never came")

    rows = asyncio.run(scene())
    assert [row.trade_id for row in rows if isinstance(row, Trade)] == [70, 71, LAST]
    assert list(tmp_path.iterdir()) == []


def test_a_slow_loop_is_told_and_the_recording_is_whole(tmp_path: Path) -> None:
    """It does nothing until 500 frames are on disk; 100 were to be kept for it."""
    begun = asyncio.Event()

    async def looping(_: Venue) -> None:
        await begun.wait()

    script: list[Step] = [WaitSubscribed(SOL), Do(looping), *map(Send, bids(11, 500))]

    def on_disk() -> int:
        (path,) = tmp_path.glob("journal/*")
        return len(plain.journal(path)[0])

    async def scene() -> None:
        async with Venue(script, snapshots=SNAPSHOTS) as far_end:
            rows = aiter(live_from(far_end, SOL, data=tmp_path, lag_limit=100))
            await anext(rows)
            begun.set()
            async with asyncio.timeout(60):
                while on_disk() < 500:
                    await asyncio.sleep(0.02)
                with pytest.raises(BackpackError, match="more than 100 frames behind"):
                    await exhaust(rows)

    asyncio.run(scene())
    assert plain.payloads(tmp_path) == [frame.encode() for frame in bids(11, 500)]
    assert plain.manifests(tmp_path)[0]["verdict"] == "certified"


async def exhaust(rows: AsyncIterator[Row]) -> list[Row]:
    return [row async for row in rows]


def test_a_loop_that_keeps_up_is_not_told(tmp_path: Path) -> None:
    """The limit is on what waits, not on what came: three times 60 frames do no harm at 100."""
    newest = 0

    def caught_up(update_id: int) -> Do:
        async def wait(_: Venue) -> None:
            while newest < update_id:
                await asyncio.sleep(0.005)

        return Do(wait)

    thirds = [[*map(Send, bids(n, 60)), caught_up(n + 59)] for n in (12, 72, 132)]
    begin = [WaitSubscribed(SOL), Send(bids(11, 1)[0]), WaitRequest("/api/v1/depth")]

    async def scene() -> None:
        nonlocal newest
        script = [*begin, *thirds[0], *thirds[1], *thirds[2]]
        async with Venue(script, snapshots=SNAPSHOTS) as far_end:
            live = live_from(far_end, SOL, data=tmp_path, lag_limit=100)
            async with asyncio.timeout(60), aclosing(aiter(live)) as rows:
                async for row in rows:
                    if isinstance(row, Depth):
                        newest = max(newest, row.last_update_id or 0)
                    if newest == 191:
                        break

    asyncio.run(scene())
    assert len(plain.payloads(tmp_path)) == 181


def test_misuse_is_told(flow: FarEnd, tmp_path: Path) -> None:
    """A book nobody subscribed to, a topic that is none, a second loop, no venue."""
    trades = live_from(flow, TRADES, duration=0.3)
    for _ in trades:
        with pytest.raises(
            TopicError, match=r"no depth topic of 'SOL_USDC' is .*; there are: none"
        ):
            trades.book("SOL_USDC")
    with pytest.raises(UsageError, match="once"):
        list(trades)
    depth = live_from(flow, SOL, duration=0.3)
    for _ in depth:
        with pytest.raises(TopicError, match="there are: SOL_USDC"):
            depth.book("BTC_USDC_PERP")
    with pytest.raises(TopicError, match="nearest: SOL_USDC"):
        list(live_from(flow, "depth.SOLUSDC"))
    with pytest.raises(VenueError, match="no websocket"):
        list(live_from(Where("ws://127.0.0.1:9", flow.rest_url), SOL, data=tmp_path))
    assert [m["verdict"] for m in plain.manifests(tmp_path)] == ["certified"]
