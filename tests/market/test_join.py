"""Each rule of protocol section 3.3 by an example, driven by hand through ``Engine.feed``."""

from typing import TypeVar

import pytest

from market.sync import BUFFER_LIMIT, IDLE_LIMIT
from market.sync_states import State
from schemas.rows import Depth, Gap, Reject, Row
from tests.market.hand import SYMBOL, Hand, actions

BID = [("100.7", "1")]
ASK = [("100.8", "2.5")]
TINY = [("0.0000000001", "1")]  # a price that fits no column
SECOND_US = 1_000_000

R = TypeVar("R", bound=Row)


def only(rows: list[Row], kind: type[R]) -> R:
    """The one row of a kind."""
    (row,) = [row for row in rows if isinstance(row, kind)]
    return row


@pytest.fixture
def hand() -> Hand:
    """Subscribed, nothing heard."""
    hand = Hand()
    hand.subscribe()
    hand.wanted()
    return hand


@pytest.fixture
def live() -> Hand:
    """A live book at id 10, no delta heard."""
    hand = Hand()
    hand.subscribe()
    hand.join(10, bids=BID, asks=ASK)
    return hand


class TestJoin:
    """Steps 2 to 6: a snapshot meets the buffer."""

    def test_a_snapshot_behind_the_buffer_takes_what_is_newer(self, hand: Hand) -> None:
        """Ids up to L are in the snapshot; the rest is applied, with its own ids."""
        for update_id in (9, 10, 11, 12):
            assert hand.delta(update_id, bids=[(f"{update_id}.00", "1.00")]) == []
        hand.ask()
        rows = hand.reply(10, bids=BID)
        assert actions(rows) == [
            ("clear", None, None),
            ("snapshot", None, 10),
            ("update", 11, 11),
            ("update", 12, 12),
        ]
        assert {row.seq for row in rows} == {rows[0].seq}
        assert hand.id == 12
        assert hand.bids == [("100.7", "1"), ("12", "1"), ("11", "1")]

    def test_a_snapshot_too_far_behind_is_refused_and_asked_for_again(self, hand: Hand) -> None:
        """Id 11 is in neither."""
        hand.delta(12)
        hand.wanted()
        hand.ask()
        assert actions(hand.reply(10, bids=BID)) == []
        assert hand.id is None
        assert hand.wanted() == [500]
        hand.join(11, bids=BID)
        assert hand.id == 12

    def test_a_snapshot_ahead_of_the_buffer_is_the_book(self, hand: Hand) -> None:
        """Its ids arrive later as repeats; the first after it is applied, and no gap is seen."""
        hand.delta(11, bids=[("1.00", "1.00")])
        hand.join(14, bids=BID)
        assert hand.id == 14
        for update_id in (12, 13, 14):
            assert hand.delta(update_id, bids=[("2.00", "1.00")]) == []
        rows = hand.delta(15, bids=[("100.60", "3.00")])
        assert actions(rows) == [("update", 15, 15)]
        assert not any(isinstance(row, Gap) for row in rows)
        assert hand.bids == [("100.7", "1"), ("100.6", "3")]

    def test_a_hole_after_a_snapshot_ahead_counts_from_what_came(self, hand: Hand) -> None:
        """12 came late; 13 and 14 are in the book, and yet they never came."""
        hand.delta(11)
        hand.join(14, bids=BID)
        seen = hand.delta(12)
        assert seen == []
        gap = only(hand.delta(17), Gap)
        assert (gap.cause, gap.state, gap.expected_id, gap.received_id, gap.missing) == (
            "depth_ids", "open", 13, 17, 4,
        )  # fmt: skip
        assert hand.id is None

    @pytest.mark.parametrize("late", [(), (12,), (13, 14)])
    def test_what_a_snapshot_has_made_up_for_is_told(
        self, hand: Hand, late: tuple[int, ...]
    ) -> None:
        """With the end of the gap, and the book goes on: 12 to 14 are in it. What did come does
        not count."""
        hand.delta(11)
        joined = hand.join(14, bids=BID)[0]
        rows = [row for update_id in (*late, 15) for row in hand.delta(update_id)]
        gap = only(rows, Gap)
        assert (gap.cause, gap.state, gap.missing) == ("depth_ids", "resynced", 3 - len(late))
        assert (gap.ts_until, gap.resync_id) == (joined.ts_recv, 14)
        assert hand.id == 15
        assert [row.TABLE for row in hand.delta(16)] == ["depth"]

    def test_a_snapshot_behind_what_came_is_asked_for_again(self, live: Hand) -> None:
        """11 came before the connection ended, so a book at 10 would lack it."""
        live.delta(11)
        live.close()
        live.subscribe(conn=2)
        live.wanted()
        live.ask()
        assert actions(live.reply(10, bids=BID)) == []
        assert live.wanted() == [500]
        live.join(11, bids=BID)
        assert live.id == 11
        assert [row.TABLE for row in live.delta(12, conn=2)] == ["depth"]

    def test_a_stream_that_begins_after_the_snapshot_lacks_what_is_between(
        self, live: Hand
    ) -> None:
        """The first delta ever is 13 and the book is at 10: 11 and 12 were never received."""
        rows = live.delta(13)
        gap = only(rows, Gap)
        assert (gap.expected_id, gap.received_id, gap.missing) == (11, 13, 2)
        assert actions(rows) == [("clear", None, None)]
        assert live.id is None

    def test_a_quiet_market_is_live_by_its_snapshot_alone(self, live: Hand) -> None:
        """Step 6."""
        assert (live.id, live.bids, live.asks) == (10, BID, ASK)

    def test_an_empty_book_is_live_too(self, hand: Hand) -> None:
        """Nobody rests an order; that is known, which is not the same as not knowing."""
        hand.join(10)
        assert (hand.id, hand.bids, hand.asks) == (10, [], [])
        hand.delta(11, bids=[("1.00", "1.00")])
        assert hand.bids == [("1", "1")]

    @pytest.mark.parametrize("buffered", [True, False])
    def test_a_throttled_delta_across_the_snapshot_is_applied_whole(self, buffered: bool) -> None:
        """``U <= L < u``, before or after the join: quantities are absolute."""
        hand = Hand(f"depth.200ms.{SYMBOL}")
        hand.subscribe()
        hand.ask()
        moved = [("100.60", "5.00"), ("100.70", "0.00")]
        rows = hand.delta(8, 13, bids=moved) if buffered else []
        rows += hand.reply(10, bids=BID)
        rows += [] if buffered else hand.delta(8, 13, bids=moved)
        assert actions(rows)[-2:] == [("update", 8, 13), ("update", 8, 13)]
        assert {row.window for row in rows if isinstance(row, Depth)} == {"200ms"}
        assert (hand.id, hand.bids) == (13, [("100.6", "5")])

    def test_a_delta_that_begins_with_the_snapshots_id_is_across_it(self, live: Hand) -> None:
        """The narrowest case of it."""
        assert actions(live.delta(10, 12)) == [("update", 10, 12)]
        assert live.id == 12

    def test_only_the_first_delta_after_a_snapshot_may_begin_before_its_end(
        self, live: Hand
    ) -> None:
        """Later ones would overlap with a delta, which the venue never does."""
        live.delta(9, 12)
        assert live.id == 12
        gap = only(live.delta(12, 14), Gap)
        assert (gap.cause, gap.expected_id, gap.received_id, gap.missing) == (
            "depth_ids", 13, 12, None,
        )  # fmt: skip
        assert live.id is None

    def test_the_buffer_forgets_the_oldest_first(self, hand: Hand) -> None:
        """Past its limit a snapshot must be newer than what was forgotten."""
        hand.ask()
        for update_id in range(1, BUFFER_LIMIT + 2):
            hand.delta(update_id)
        hand.reply(0)
        assert hand.id is None
        hand.join(1)
        assert hand.id == BUFFER_LIMIT + 1

    def test_little_is_kept_while_no_snapshot_is_on_its_way(self, hand: Hand) -> None:
        """REST may be down for hours; one asked for later will be newer."""
        for update_id in range(1, IDLE_LIMIT + 2):
            hand.delta(update_id)
        hand.join(0)
        assert hand.id is None
        hand.join(1)
        assert hand.id == IDLE_LIMIT + 1


class TestLive:
    """Step 7: the book follows the stream."""

    def test_a_repeat_is_ignored(self, live: Hand) -> None:
        """Also with other levels: what an id changed does not change again."""
        live.delta(11, bids=[("100.70", "9.00")])
        assert live.delta(11, bids=[("100.70", "4.00")]) == []
        assert live.delta(10, asks=[("100.80", "0.00")]) == []
        assert (live.id, live.bids, live.asks) == (11, [("100.7", "9")], ASK)

    def test_an_empty_delta_consumes_its_ids(self, live: Hand) -> None:
        """Section 3.1: one row without a level, and the next id follows."""
        rows = live.delta(11, 12)
        row = only(rows, Depth)
        assert (row.action, row.side, row.price, row.qty) == ("update", None, None, None)
        assert (row.first_update_id, row.last_update_id) == (11, 12)
        assert actions(live.delta(13)) == [("update", 13, 13)]

    def test_padded_and_bare_spellings_are_one_level(self, live: Hand) -> None:
        """Fact 2: REST ``100.7`` is deleted by ``100.70``."""
        live.delta(11, bids=[("100.70", "0.00")], asks=[("100.800", "0")])
        assert (live.bids, live.asks) == ([], [])

    def test_of_one_price_twice_the_last_wins(self, live: Hand) -> None:
        """Section 3.1."""
        live.delta(11, bids=[("100.70", "5.00"), ("100.7", "6.00")])
        assert live.bids == [("100.7", "6")]

    def test_deleting_what_is_not_there_is_harmless(self, live: Hand) -> None:
        """Section 3.1."""
        live.delta(11, bids=[("99.00", "0.00")])
        assert (live.id, live.bids) == (11, BID)

    def test_a_gap_costs_the_book(self, live: Hand) -> None:
        """It is said with ids and times, and a snapshot is asked for."""
        before = live.delta(11)
        rows = live.delta(14)
        gap = only(rows, Gap)
        assert (gap.cause, gap.expected_id, gap.received_id, gap.missing) == (
            "depth_ids",
            12,
            14,
            2,
        )
        assert (gap.since_seq, gap.ts_since) == (before[0].seq, before[0].ts_recv)
        assert (gap.seq, gap.topic, gap.symbol) == (before[0].seq + 1, live.topic, SYMBOL)
        assert actions(rows) == [("clear", None, None)]
        assert live.id is None
        assert live.engine.book_state(live.topic) is State.STALE
        assert live.wanted() == [500]

    def test_what_comes_after_a_gap_waits_for_the_new_snapshot(self, live: Hand) -> None:
        """The delta that showed the gap is the first of the buffer."""
        live.delta(12)
        live.delta(13)
        live.join(11, bids=BID)
        assert live.id == 13

    @pytest.mark.parametrize("later_us", [0, SECOND_US])
    def test_an_old_id_of_about_the_same_time_is_a_repeat(self, live: Hand, later_us: int) -> None:
        """A copy, late by a second at most."""
        live.delta(11)
        assert live.delta(5, us=later_us) == []
        assert live.id == 11

    def test_an_old_id_of_a_later_time_is_a_numbering_that_began_again(self, live: Hand) -> None:
        """Section 3.1: ``u`` going backwards is a gap; how many are missing, nobody can say."""
        live.delta(11)
        rows = live.delta(5, us=SECOND_US + 1)
        gap = only(rows, Gap)
        assert (gap.cause, gap.received_id, gap.missing) == ("ids_backwards", 5, None)
        assert live.id is None
        live.join(5, bids=BID)
        assert live.id == 5

    def test_a_numbering_that_began_again_is_noticed_after_a_snapshot(self, live: Hand) -> None:
        """Before any delta: the snapshot has a time too."""
        assert only(live.delta(5, us=SECOND_US + 1), Gap).cause == "ids_backwards"
        assert live.id is None

    def test_a_numbering_that_began_again_is_noticed_while_waiting(self, hand: Hand) -> None:
        """Or the buffer would wait for ids that never come."""
        hand.delta(100)
        assert only(hand.delta(5, us=2 * SECOND_US), Gap).cause == "ids_backwards"
        hand.join(5, bids=BID)
        assert hand.id == 5

    def test_a_delta_that_cannot_be_read_costs_the_book(self, live: Hand) -> None:
        """Never rounded: a reject, a clear, and the id counts as missing."""
        live.delta(11)
        rows = live.delta(12, bids=[*BID, *TINY])
        assert only(rows, Reject).reason == "inexact"
        assert actions(rows) == [("clear", None, None)]
        assert live.id is None
        gap = only(live.delta(13), Gap)
        assert (gap.cause, gap.expected_id, gap.received_id, gap.missing) == (
            "depth_ids",
            12,
            13,
            1,
        )
        live.join(12)
        assert live.id == 13

    def test_a_delta_that_ends_before_it_begins_costs_the_book(self, live: Hand) -> None:
        """``u < U`` is no delta; the book does not go back."""
        assert any(isinstance(row, Reject) for row in live.delta(11, 5))
        assert live.id is None

    def test_repeats_are_counted(self, live: Hand) -> None:
        """Design section 5; those of the segment."""
        live.delta(11)
        live.delta(11)
        live.delta(3)
        assert live.engine.repeats == 2

    def test_a_fault_of_ours_in_a_delta_costs_the_book(
        self, live: Hand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first level was put in, the second never: neither book nor rows may claim it."""
        monkeypatch.setattr("market.depth_rows.PRICES", {"100.60": 100_600_000_000})
        rows = live.delta(11, bids=[("100.60", "5.00"), ("100.50", "1.00")])
        assert only(rows, Reject).reason == "internal"
        assert actions(rows) == [("clear", None, None)]
        assert live.id is None
        assert live.wanted() == [500]

    def test_a_fault_of_ours_in_a_reply_costs_the_book(
        self, hand: Hand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It joined, and its rows were never made."""
        with monkeypatch.context() as broken:
            broken.delattr("market.depth.snapshot_rows")
            hand.ask()
            assert only(hand.reply(10, bids=BID), Reject).reason == "internal"
        assert hand.id is None
        assert hand.wanted() == [500]
        hand.join(10, bids=BID)
        assert hand.id == 10

    def test_a_delta_of_another_market_costs_the_book(self, live: Hand) -> None:
        """Stream and symbol disagree: its ids are somebody else's."""
        text = '{"data":{"E":1,"T":1,"U":11,"a":[],"b":[],"e":"depth","s":"ETH_USDC","u":11}'
        rows = live.data(text + f',"stream":"{live.topic}"}}')
        assert only(rows, Reject).reason == "bad_field"
        assert actions(rows) == [("clear", None, None)]
        assert live.id is None

    def test_an_event_nobody_knows_does_not_cost_the_book(self, live: Hand) -> None:
        """It is counted, and no delta."""
        rows = live.data(f'{{"data":{{"e":"depthNews","s":"{SYMBOL}"}},"stream":"{live.topic}"}}')
        assert rows == []
        assert live.id == 10
        assert live.engine.unknown == {"depth/depthNews": 1}


class TestConnections:
    """A reconnect is a new epoch; every book starts over."""

    def test_a_closed_connection_costs_the_book(self, live: Hand) -> None:
        """At once, and in the rows."""
        assert actions(live.close()) == [("clear", None, None)]
        assert live.id is None

    def test_the_end_of_another_connection_costs_nothing(self, live: Hand) -> None:
        """Each stream knows its own."""
        assert actions(live.close(conn=7)) == []
        assert live.id == 10

    def test_without_a_connection_a_reply_makes_no_book(self, live: Hand) -> None:
        """Asked for after a gap, answered after the end: nothing would keep it up to date."""
        live.delta(12)
        live.close()
        live.join(12, bids=BID)
        assert live.id is None

    def test_a_reply_to_a_request_of_an_earlier_connection_is_ignored(self, hand: Hand) -> None:
        """It may be as old as the outage."""
        hand.ask()
        hand.close()
        hand.subscribe(conn=2)
        assert actions(hand.reply(10, bids=BID)) == []
        assert hand.id is None
        hand.join(12, bids=BID)
        assert hand.id == 12

    def test_a_request_made_without_a_connection_is_not_the_next_ones(self, hand: Hand) -> None:
        """Its reply may be older than the subscription."""
        hand.close()
        hand.ask()
        hand.subscribe(conn=2)
        assert actions(hand.reply(10, bids=BID)) == []
        assert hand.id is None

    @pytest.mark.parametrize("announced", [True, False])
    def test_the_old_book_ends_where_a_new_connection_begins(
        self, live: Hand, announced: bool
    ) -> None:
        """Also if the end of the old one was never recorded; the rows say so."""
        rows = live.subscribe(conn=2) if announced else live.delta(11, conn=2)
        assert actions(rows) == [("clear", None, None)]
        assert live.id is None
        assert live.wanted()

    def test_what_an_outage_cost_is_a_gap(self, live: Hand) -> None:
        """Said by the first delta of the new connection."""
        live.delta(11)
        live.close()
        live.subscribe(conn=2)
        gap = only(live.delta(15, conn=2), Gap)
        assert (gap.cause, gap.expected_id, gap.received_id, gap.missing) == (
            "disconnect", 12, 15, 3,
        )  # fmt: skip

    def test_ids_that_begin_again_after_an_outage_are_counted_from_what_came(
        self, live: Hand
    ) -> None:
        """The book had 15 by then, but 12 was the next to come."""
        seen = live.delta(11)
        live.close()
        live.subscribe(conn=2)
        live.join(15, bids=BID)
        gap = only(live.delta(5, us=SECOND_US + 1, conn=2), Gap)
        assert (gap.cause, gap.state, gap.expected_id) == ("ids_backwards", "open", 12)
        assert gap.since_seq == seen[0].seq
        assert live.id is None

    @pytest.mark.parametrize("first", ["delta", "snapshot"])
    def test_ids_that_begin_again_during_an_outage_are_noticed(
        self, live: Hand, first: str
    ) -> None:
        """Whichever comes first, by the engine's time."""
        later = SECOND_US + 1
        live.delta(11)
        live.close()
        live.subscribe(conn=2)
        rows = live.delta(5, us=later, conn=2) if first == "delta" else []
        live.ask()
        rows += live.reply(4, bids=BID, us=later)
        rows += live.delta(5, us=later, conn=2) if first == "snapshot" else []
        gaps = [row for row in rows if isinstance(row, Gap)]
        assert {(row.cause, row.expected_id, row.received_id) for row in gaps} == {
            ("ids_backwards", 12, 5)
        }
        assert (gaps[-1].state, gaps[-1].resync_id) == ("resynced", 4)
        assert live.id == 5

    def test_the_id_that_showed_a_snapshot_of_an_older_numbering_is_told(self, hand: Hand) -> None:
        """It was asked for before the venue began again, and joins as it is higher."""
        hand.delta(100)
        hand.delta(5, us=2 * SECOND_US)
        hand.join(100, bids=BID)
        gap = only(hand.delta(6, us=2 * SECOND_US + 1), Gap)
        assert (gap.cause, gap.state, gap.expected_id) == ("ids_backwards", "open", 101)
        hand.join(6, bids=BID)
        assert hand.id == 6

    def test_an_outage_without_changes_is_none(self, live: Hand) -> None:
        """The ids go on."""
        live.delta(11)
        live.close()
        live.subscribe(conn=2)
        assert live.delta(12, conn=2) == []

    def test_subscribing_twice_on_a_connection_changes_nothing(self, live: Hand) -> None:
        """Section 1: the venue does not mind either."""
        assert actions(live.subscribe()) == []
        assert live.id == 10
        assert live.wanted() == []


class TestRequests:
    """What is asked of the door, and when."""

    def test_a_quiet_market_is_asked_for_after_a_while(self) -> None:
        """Rule 2: a timeout, ended by the first delta."""
        hand = Hand()
        hand.subscribe()
        assert hand.wanted() == [2_000]
        hand.delta(11)
        assert hand.wanted() == [0]
        hand.delta(12)
        assert hand.wanted() == []

    def test_a_reply_nobody_asked_for_is_ignored(self, hand: Hand) -> None:
        """Somebody else's, or of before."""
        hand.delta(11)
        assert actions(hand.reply(10, bids=BID)) == []
        assert hand.id is None

    def test_a_second_reply_is_ignored(self, live: Hand) -> None:
        """The book goes its own way by then."""
        live.delta(11, bids=[("100.60", "1.00")])
        live.ask()
        assert actions(live.reply(10, bids=[("1", "1")])) == []
        assert (live.id, live.bids) == (11, [*BID, ("100.6", "1")])

    def test_requests_grow_apart_while_they_do_not_help(self, hand: Hand) -> None:
        """Doubled each time, to a minute."""
        hand.delta(12)
        hand.wanted()
        delays: list[int] = []
        for _ in range(9):
            hand.ask()
            hand.reply(10)
            delays += hand.wanted()
        assert delays == [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]

    def test_a_market_that_cannot_be_read_does_not_flood_the_venue(self, hand: Hand) -> None:
        """Every second frame has a price that fits no column: requests grow apart all the same."""
        delays: list[int] = []
        for update_id in range(1, 9, 2):
            hand.delta(update_id, bids=TINY)
            hand.delta(update_id + 1)
            delays += hand.wanted()
        assert delays == [500, 1_000, 2_000, 4_000]

    def test_a_book_that_lived_long_starts_again_with_short_delays(self) -> None:
        """And one that did not goes on where it was."""
        for step_ns, expected in ((1_000_000, 2_000), (11_000_000_000, 500)):
            hand = Hand(step_ns=step_ns)
            hand.subscribe()
            hand.delta(12)
            for _ in range(2):
                hand.ask()
                hand.reply(10)
            hand.join(12)
            hand.delta(13)
            assert hand.id == 13
            hand.delta(20)
            assert hand.wanted() == [expected]

    def test_how_long_it_lived_is_not_how_long_ago(self) -> None:
        """Losses while waiting are no new lives, however much time goes by between them."""
        hand = Hand(step_ns=11_000_000_000)
        hand.subscribe()
        hand.join(10)
        for update_id in (12, 14, 16):
            hand.delta(update_id)
        assert hand.wanted() == [500, 1_000, 2_000]

    @pytest.mark.parametrize(
        ("status", "delay"), [(0, 500), (400, 60_000), (404, 60_000), (429, 500), (503, 500)]
    )
    def test_a_failed_request_is_made_again(self, hand: Hand, status: int, delay: int) -> None:
        """Not soon if the venue says that there is no such market."""
        hand.ask()
        hand.fail(status)
        assert hand.wanted() == [delay]

    def test_a_snapshot_that_cannot_be_read_is_asked_for_again(self, hand: Hand) -> None:
        """Nothing of it becomes a book."""
        hand.ask()
        assert only(hand.reply(10, bids=TINY), Reject).reason == "bad_reply"
        assert hand.id is None
        assert hand.wanted() == [500]

    def test_subscribing_again_starts_again_with_short_delays(self, live: Hand) -> None:
        """Whoever does it by hand after a gap wants to see something."""
        for update_id in (12, 14, 16):
            live.delta(update_id)
        assert live.wanted() == [500, 1_000, 2_000]
        live.subscribe()
        assert live.wanted() == [2_000]
        live.ask()
        live.fail(500)
        assert live.wanted() == [500]

    def test_what_comes_after_the_end_of_a_connection_is_waited_for(self, hand: Hand) -> None:
        """However it can come; nothing is left without a request."""
        hand.ask()
        hand.fail(500)
        hand.close()
        hand.wanted()
        hand.delta(11)
        assert hand.wanted() == [0]

    def test_nothing_is_asked_while_there_is_no_connection(self, live: Hand) -> None:
        """Failures of before included."""
        live.ask()
        live.close()
        live.fail(500)
        assert live.wanted() == []


class TestWindows:
    """Several depth streams of one market."""

    def test_one_reply_serves_all_and_real_time_is_preferred(self) -> None:
        """Each keeps its own ids and its own rows."""
        hand = Hand()
        slow = f"depth.200ms.{SYMBOL}"
        hand.subscribe()
        hand.topic = slow
        hand.subscribe()
        rows = hand.join(10, bids=BID)
        assert [row.window for row in rows if isinstance(row, Depth)] == ["", "", "200ms", "200ms"]
        assert only(hand.delta(11, 15, bids=[("1.00", "1.00")]), Depth).window == "200ms"
        assert (hand.id, hand.bids) == (10, BID)

    def test_a_throttled_book_stands_in_for_the_real_time_one(self) -> None:
        """Where only that is live."""
        hand = Hand(f"depth.200ms.{SYMBOL}")
        hand.subscribe()
        hand.join(10, bids=BID)
        assert hand.id == 10
