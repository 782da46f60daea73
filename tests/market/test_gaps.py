"""Gaps of all streams at once, and how gaps end, by example."""

import pytest

from schemas.check_rows import Clock
from schemas.frames import ClockNoted, ConnectionOpened, FramesLost, Kind, to_json
from schemas.rows import Gap, Reject, Row
from tests.market.hand import SYMBOL, Hand, actions
from tests.market.stamps import START_NS, STEP_NS, event

BID = [("100.7", "1")]


def gaps(rows: list[Row]) -> list[tuple[str | None, str, str, int]]:
    """Stream, cause, state and beginning of the gap rows among these."""
    return [(r.topic, r.cause, r.state, r.since_seq) for r in rows if isinstance(r, Gap)]


def only(rows: list[Row]) -> Gap:
    """The one gap row."""
    (gap,) = [row for row in rows if isinstance(row, Gap)]
    return gap


def opened(hand: Hand, conn: int) -> list[Row]:
    """A connection is opened."""
    return hand.noted(Kind.OPEN, to_json(ConnectionOpened("wss://venue")), conn)


def shed(hand: Hand, frames: int, ended: bool) -> list[Row]:
    """Frames are lost from here on, or were lost up to here."""
    return hand.noted(Kind.LOSS, to_json(FramesLost("memory", frames, 10 * frames, ended)))


@pytest.fixture
def live() -> Hand:
    """Connected, a live book at id 11; the newest frame heard is the sixth."""
    hand = Hand()
    opened(hand, 1)
    hand.subscribe()
    hand.delta(10)
    hand.join(10, bids=BID)
    hand.delta(11)
    return hand


class TestConnections:
    """Nothing is heard between a close and an open."""

    def test_a_gap_lasts_from_the_last_frame_heard_to_the_next_open(self, live: Hand) -> None:
        """What we sent or fetched meanwhile was not heard."""
        live.ask()
        closed = only(live.close())
        assert (closed.topic, closed.symbol, closed.cause) == (None, None, "disconnect")
        assert (closed.state, closed.since_seq, closed.ts_since) == (
            "open",
            6,
            START_NS + 6 * STEP_NS,
        )
        assert (closed.ts_until, closed.lasted_ns) == (None, None)
        resumed = only(opened(live, 2))
        assert (resumed.state, resumed.since_seq) == ("resumed", 6)
        assert (resumed.ts_until, resumed.lasted_ns) == (START_NS + 9 * STEP_NS, 3 * STEP_NS)

    def test_the_first_open_ends_nothing(self) -> None:
        """There was no recording before it."""
        assert gaps(opened(Hand(), 1)) == []

    def test_only_the_last_connection_of_several_is_missed(self, live: Hand) -> None:
        """The others still bring what there is."""
        opened(live, 2)
        assert gaps(live.close(1)) == []
        assert gaps(live.close(2)) == [(None, "disconnect", "open", 7)]
        assert gaps(live.close(3)) == []

    def test_a_connection_on_which_nothing_came_has_a_beginning(self) -> None:
        """Its own open."""
        hand = Hand()
        opened(hand, 1)
        assert gaps(hand.close()) == [(None, "disconnect", "open", 1)]

    @pytest.mark.parametrize(
        "end", [b'{"code":1000,"reason":"","stopped":true}', b'{"code":1000,"reason":""}']
    )
    def test_a_recorder_that_is_told_to_stop_misses_nothing(self, live: Hand, end: bytes) -> None:
        """Format 1 did not say so; there it shows when the recorder goes on all the same."""
        rows = live.noted(Kind.CLOSE, end, conn=1)
        assert gaps(rows) == []
        assert actions(rows) == [("clear", None, None)]
        assert live.id is None
        assert gaps(opened(live, 2)) == [(None, "disconnect", "resumed", 6)]

    @pytest.mark.parametrize(
        "end",
        [b'{"code":1000,"reason":"","stopped":false}', b'{"code":1001,"reason":""}', b"{}", b"["],
    )
    def test_any_other_end_is_missed(self, live: Hand, end: bytes) -> None:
        """The venue closes in order too, and a tape may be damaged."""
        assert gaps(live.noted(Kind.CLOSE, end, conn=1)) == [(None, "disconnect", "open", 6)]


class TestLosses:
    """Frames that arrived and are not on the tape."""

    def test_no_book_is_trusted_while_frames_are_lost(self, live: Hand) -> None:
        """It goes at once, and a snapshot is asked for; the first delta tells what is missing."""
        rows = shed(live, 0, ended=False)
        assert gaps(rows) == [(None, "loss", "open", 7)]
        assert actions(rows) == [("clear", None, None)]
        assert live.id is None
        assert live.wanted() == [500]
        ended = only(shed(live, 12, ended=True))
        assert (ended.state, ended.since_seq, ended.missing) == ("resumed", 7, 12)
        assert ended.lasted_ns == STEP_NS
        gap = only(live.delta(15))
        assert (gap.topic, gap.cause, gap.missing) == (f"depth.{SYMBOL}", "loss", 3)
        assert gaps(live.join(15, bids=BID)) == [(gap.topic, "loss", "resynced", 6)]
        assert gaps(live.delta(18)) == [(gap.topic, "depth_ids", "open", 11)]

    def test_a_loss_without_a_beginning_is_one_row(self, live: Hand) -> None:
        """It was found when the journal was read; it begins with the frame before."""
        live.ask()
        gap = only(shed(live, 3, ended=True))
        assert (gap.state, gap.since_seq, gap.missing) == ("resumed", 7, 3)
        assert live.id is None

    def test_a_reply_that_was_lost_is_not_waited_for(self, live: Hand) -> None:
        """The next one belongs to the next request."""
        live.delta(13)
        live.ask()
        shed(live, 1, ended=False)
        shed(live, 1, ended=True)
        live.delta(14)
        live.join(14)
        assert live.id == 14

    def test_trades_that_were_lost_say_so(self) -> None:
        """As depth does; only the first trade after it."""
        hand = Hand()

        def trade(number: int) -> list[Row]:
            members = {"p": "1", "q": "1", "m": True, "E": 5, "T": 5, "t": number}
            return hand.data(event(f"trade.{SYMBOL}", e="trade", s=SYMBOL, **members))

        trade(1)
        shed(hand, 2, ended=True)
        gap = only(trade(4))
        assert (gap.cause, gap.state, gap.ts_until) == ("loss", "open", START_NS + 3 * STEP_NS)
        assert (gap.ts_engine_since, gap.ts_engine_until, gap.lasted_ns) == (
            5_000, 5_000, 2 * STEP_NS,
        )  # fmt: skip
        assert only(trade(6)).cause == "trade_ids"

    @pytest.mark.parametrize(
        "payload", [b"", b"{}", b'{"cause":"memory","frames":-1}', b'{"cause":7}']
    )
    def test_what_a_loss_says_may_be_lost_too(self, live: Hand, payload: bytes) -> None:
        """Frames are missing all the same: nobody knows how many, and no book is trusted."""
        rows = live.noted(Kind.LOSS, payload)
        assert [row.TABLE for row in rows] == ["session", "reject", "gap", "depth"]
        assert gaps(rows) == [(None, "loss", "resumed", 6)]
        assert [row.missing for row in rows if isinstance(row, Gap)] == [None]
        assert live.id is None

    def test_it_is_the_end_of_one_that_has_begun(self, live: Hand) -> None:
        begun = only(shed(live, 1, ended=False))
        over = only(live.noted(Kind.LOSS, b"?"))
        assert (over.since_seq, over.state, over.missing) == (begun.since_seq, "resumed", None)
        assert only(shed(live, 1, ended=False)).state == "open"


class TestOutages:
    """A book is lost until a snapshot joins."""

    def test_the_holes_of_an_outage_are_summed_where_it_ends(self, live: Hand) -> None:
        """All begin where the first did; it goes on over the end of a connection."""
        first = only(live.delta(14))
        assert (first.since_seq, first.missing, first.state) == (6, 2, "open")
        second = only(live.delta(18))
        assert (second.since_seq, second.expected_id, second.missing) == (6, 15, 3)
        live.close()
        live.subscribe(conn=2)
        third = only(live.delta(20, conn=2))
        assert (third.cause, third.since_seq, third.missing) == ("disconnect", 6, 1)
        (ended,) = [row for row in live.join(20) if isinstance(row, Gap)]
        assert (ended.cause, ended.state, ended.missing) == ("depth_ids", "resynced", 6)
        assert (ended.expected_id, ended.received_id, ended.resync_id) == (12, 14, 20)
        assert gaps(live.delta(21, conn=2)) == []

    def test_an_unreadable_frame_opens_one(self, live: Hand) -> None:
        """How many ids were in it, nobody knows."""
        gap = only(live.delta(12, bids=[("0.0000000001", "1")]))
        assert (gap.cause, gap.expected_id, gap.received_id, gap.missing) == (
            "unreadable", 12, None, None,
        )  # fmt: skip
        assert gaps(live.delta(13, bids=[("0.0000000001", "1")])) == []

    def test_a_gap_that_a_snapshot_had_ended_is_one_row(self, live: Hand) -> None:
        """The first delta after a reconnect shows what was missed, and the book is right."""
        live.close()
        live.subscribe(conn=2)
        joined = live.join(14, bids=BID)[-1]
        gap = only(live.delta(15, conn=2))
        assert (gap.cause, gap.state, gap.resync_id) == ("disconnect", "resynced", 14)
        assert (gap.ts_until, gap.missing) == (joined.ts_recv, 3)


class TestClocks:
    """What a look at the clocks comes to."""

    def test_the_offset_is_that_of_the_middle_of_the_round_trip(self) -> None:
        """Venue less wall clock."""
        hand = Hand()
        asked = ClockNoted(step_ns=-7, venue_ms=START_NS // 10**6 + 5, round_trip_ns=4_000_000)
        (row,) = hand.noted(Kind.CLOCK, to_json(asked))
        assert isinstance(row, Clock)
        assert (row.step_ns, row.ts_venue, row.round_trip_ns) == (
            -7, START_NS + 5_000_000, 4_000_000,
        )  # fmt: skip
        assert row.offset_ns == 6_000_000  # 5 ms on, and the wall clock was 1 ms behind

    def test_without_an_answer_there_is_no_offset(self) -> None:
        """The step is known all the same."""
        (row,) = Hand().noted(Kind.CLOCK, to_json(ClockNoted(step_ns=3)))
        assert isinstance(row, Clock)
        assert (row.step_ns, row.ts_venue, row.round_trip_ns, row.offset_ns) == (3, *[None] * 3)

    @pytest.mark.parametrize(
        "payload", [b"", b"[]", b"{}", b'{"step_ns":1e400}', b'{"step_ns":0,"venue_ms":%d}' % 2**62]
    )
    def test_what_cannot_be_a_clock_is_rejected(self, payload: bytes) -> None:
        """One row."""
        (row,) = Hand().noted(Kind.CLOCK, payload)
        assert isinstance(row, Reject)
        assert row.reason == "bad_field"
