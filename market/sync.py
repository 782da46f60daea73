"""One depth stream of one market: a book, and whether it can be trusted.

The rules and the table of states stand in `market.sync_states`.
"""

from collections import deque
from typing import Annotated

import msgspec
from msgspec import Meta

from market.book import Book, PriceQty
from market.deltas import Snapshot
from market.gaps import BACKWARDS_NS, Seen
from market.sync_states import TABLE, Act, Event, State
from schemas import wire
from schemas.columns import Count, Time
from schemas.requests import Request, SnapshotRequest

BUFFER_LIMIT = 10_000  # deltas kept while a snapshot is on its way; the oldest go first
IDLE_LIMIT = 200  # while none is: it was up to 34 ids behind when it came (section 3.3)
QUIET_DELAY_NS = 2_000_000_000  # a market that has said nothing after subscribing (rule 2)
RETRY_DELAY_NS = 500_000_000  # doubled by each further request..
RETRY_DELAY_MAX_NS = 60_000_000_000  # ..up to this
STEADY_NS = 10_000_000_000  # a book that lived this long starts again with short delays
_ATTEMPTS = 16  # are counted
_NOTHING = -1  # no id


class SyncState(msgspec.Struct):
    """Everything a BookSync remembers, so that a segment can begin with it."""

    state: State
    attempts: Annotated[int, Meta(ge=0, le=_ATTEMPTS)]
    flying: list[bool]
    joined_id: Count
    joined_mono: Count
    last_update_id: wire.Id
    ts_engine: Time | None
    bids: list[PriceQty]
    asks: list[PriceQty]
    buffer: list[wire.Depth]
    spliced_id: Count | msgspec.UnsetType = msgspec.UNSET


class BookSync:
    """One depth stream of one market: when its book can be trusted, and what must come next.

    It goes by ids and engine times. Applying a delta is its caller's part: levels, id and time into
    the book, and ``awaits`` one further.

    awaits: first id of the next delta while the book is live; -1 otherwise.
    """

    __slots__ = (
        "_attempts",
        "_buffer",
        "_flying",
        "_joined_id",
        "_joined_mono",
        "_outbox",
        "_spliced_id",
        "awaits",
        "book",
        "state",
        "symbol",
    )

    def __init__(self, symbol: str, outbox: deque[Request]) -> None:
        self.symbol = symbol
        self._outbox = outbox
        self.book = Book()
        self._buffer: deque[wire.Depth] = deque(maxlen=BUFFER_LIMIT)
        self.reset()

    def reset(self) -> None:
        """Back to the beginning; the Book object stays the same."""
        self.state = State.EMPTY
        self.awaits = _NOTHING
        self._attempts = 0
        self._flying: list[bool] = []  # requests on their way, oldest first: is the reply of use
        self._joined_id = _NOTHING  # id of the snapshot that joined
        self._joined_mono = 0  # when it did; 0 after it was lost
        self._spliced_id = _NOTHING  # where the stream went on on another connection
        self._buffer.clear()
        self.book.clear()

    @property
    def last_id(self) -> int | None:
        """Newest update id in the book or the buffer; None if there is neither."""
        if self.state is State.LIVE:
            return self.book.last_update_id
        return self._buffer[-1].u if self._buffer else None

    def opened(self) -> None:
        """The stream was subscribed on a new connection."""
        if self._step(Event.OPEN) is Act.ASK_LATER:
            self._distrust()
            self._attempts = 0
            self.ask(QUIET_DELAY_NS)

    def spliced(self) -> None:
        """The stream goes on on another connection, whose server may merge ids differently."""
        last = self.last_id
        self._spliced_id = _NOTHING if last is None else last

    def delta(self, delta: wire.Depth, ts_mono: int) -> Event:
        """A delta arrived; returns what it was taken for. DELTA in a live book: apply it."""
        event = self._classify(delta)
        match self._step(event):
            case Act.KEEP:
                self._keep(delta)
            case Act.LOSE:
                self._lose(ts_mono)
                self._buffer.append(delta)
        return event

    def doubted(self, ts_mono: int) -> None:
        """What there is cannot be trusted: a frame of unknown ids could not be read, so a snapshot
        on its way may or may not have what was in it; or the book is not the venue's."""
        self._step(Event.GAP)
        self._distrust()
        self._lose(ts_mono)

    def shed(self, ts_mono: int) -> None:
        """Frames that arrived were lost, replies to our requests perhaps among them."""
        self._flying.clear()
        if self.state is not State.EMPTY:
            self._attempts = 0
            self._step(Event.GAP)
            self._lose(ts_mono)

    def muted(self) -> None:
        """Deltas are left out from here on, until `shed`: nothing is asked for meanwhile."""
        if self.state is not State.EMPTY:
            self._step(Event.GAP)
            self._forget()

    @property
    def in_flight(self) -> int:
        """Requests that were sent and are not answered."""
        return len(self._flying)

    def aim(self, watch: bool) -> None:
        """Let the next delta of a live book pass the fast way, unless it is to be watched."""
        live = self.state is State.LIVE and not watch
        self.awaits = self.book.last_update_id + 1 if live else _NOTHING

    def requested(self) -> None:
        """The door sent a request for our snapshot. One market's are answered in turn."""
        self._flying.append(True)

    def snapshot(
        self, snapshot: Snapshot, ts_mono: int, heard: Seen | None
    ) -> list[wire.Depth] | None:
        """A snapshot arrived. If it joined, it is the book now, and the kept deltas that are to be
        applied on top come back; None if it did not. heard: the newest id of the stream."""
        if not self._landed():
            return None
        kept = [delta for delta in self._buffer if delta.u > snapshot.last]
        behind = snapshot.is_behind(kept[0].U if kept else None, heard)
        match self._step(Event.BEHIND if behind else Event.JOIN):
            case Act.ASK_AGAIN:
                self._ask_again()
            case Act.JOIN:
                self._join(snapshot, ts_mono)
                return kept
        return None

    def failed(self, patience_ns: int = 0) -> None:
        """The request failed, or its reply could not be read; ask again, not before patience."""
        if self._landed() and self._step(Event.BEHIND) is Act.ASK_AGAIN:
            self._ask_again(patience_ns)

    def closed(self) -> None:
        """The connection ended. A new one starts over (a new epoch)."""
        self._step(Event.CLOSE)
        self._distrust()
        self._attempts = 0
        self._buffer.clear()
        self.book.clear()

    def export(self) -> SyncState:
        """State to carry into the next segment."""
        book = self.book
        return SyncState(
            state=self.state,
            attempts=self._attempts,
            flying=self._flying[:],
            joined_id=self._joined_id,
            joined_mono=self._joined_mono,
            last_update_id=book.last_update_id,
            ts_engine=book.ts_engine,
            bids=list(book.bids.top()),
            asks=list(book.asks.top()),
            buffer=list(self._buffer),
            spliced_id=msgspec.UNSET if self._spliced_id == _NOTHING else self._spliced_id,
        )

    def restore(self, saved: SyncState) -> None:
        """Become what `export` described."""
        self.state = saved.state
        self._attempts = saved.attempts
        self._flying = saved.flying
        self._joined_id = saved.joined_id
        self._joined_mono = saved.joined_mono
        spliced = saved.spliced_id
        self._spliced_id = _NOTHING if spliced is msgspec.UNSET else spliced
        self.book.last_update_id = saved.last_update_id
        self.book.ts_engine = saved.ts_engine
        self.book.bids.load(saved.bids)
        self.book.asks.load(saved.asks)
        self.aim(watch=False)
        self._buffer.clear()
        self._buffer.extend(saved.buffer)

    def _step(self, event: Event) -> Act:
        self.state, act = TABLE[self.state, event]
        if self.state is not State.LIVE:
            self.awaits = _NOTHING
        return act

    def _classify(self, delta: wire.Depth) -> Event:
        last = self.last_id
        if last is None or last + 1 == delta.U:
            return Event.DELTA
        if delta.u <= last:
            return Event.GAP if self._is_newer(delta) else Event.REPEAT
        # Straddling is for the first delta after the snapshot, or from another server, alone.
        joined = self.state is State.LIVE and last == self._joined_id
        straddles = last >= delta.U and (joined or last == self._spliced_id)
        return Event.DELTA if straddles else Event.GAP

    def _is_newer(self, delta: wire.Depth) -> bool:
        live = self.state is State.LIVE
        newest = self.book.ts_engine if live else self._buffer[-1].T * 1_000
        return newest is not None and newest + BACKWARDS_NS < delta.T * 1_000

    def _distrust(self) -> None:
        """Replies to what was asked before this moment will be of no use."""
        self._flying = [False] * len(self._flying)

    def _landed(self) -> bool:
        """The oldest request was answered; whether the answer is of use."""
        return self._flying.pop(0) if self._flying else False

    def _keep(self, delta: wire.Depth) -> None:
        if not self._buffer and not self._attempts:  # otherwise a request is waiting already
            self.ask(0)
        if not any(self._flying):
            while len(self._buffer) >= IDLE_LIMIT:
                self._buffer.popleft()
        self._buffer.append(delta)

    def _lose(self, ts_mono: int) -> None:
        if self._joined_mono and ts_mono - self._joined_mono > STEADY_NS:
            self._attempts = 0
        self._forget()
        self._ask_again()

    def _forget(self) -> None:
        self._joined_mono = 0
        self._buffer.clear()
        self.book.clear()

    def _join(self, snapshot: Snapshot, ts_mono: int) -> None:
        book = self.book
        book.bids.load(snapshot.bids)
        book.asks.load(snapshot.asks)
        book.last_update_id = snapshot.last
        book.ts_engine = snapshot.ts_engine
        self.awaits = snapshot.last + 1
        self._joined_id = snapshot.last
        self._joined_mono = ts_mono
        self._buffer.clear()

    def _ask_again(self, patience_ns: int = 0) -> None:
        delay = min(RETRY_DELAY_NS << self._attempts, RETRY_DELAY_MAX_NS)
        self._attempts = min(self._attempts + 1, _ATTEMPTS)
        self.ask(max(delay, patience_ns))

    def ask(self, delay_ns: int) -> None:
        """Ask the door for a snapshot."""
        self._outbox.append(SnapshotRequest(self.symbol, delay_ns))
