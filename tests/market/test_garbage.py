"""Whatever a venue sends, the engine does not raise, and makes only rows that can be stored."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from market.engine import Engine
from schemas.frames import Kind, RequestFailed, to_json
from schemas.rows import Gap, Reject
from tests.effort import examples
from tests.market.fitting import check_fits
from tests.market.hand import SYMBOL, Hand
from tests.market.nasty import NUMBERS, dumps, json_values, payloads
from tests.market.stamps import Stamper, depth_path
from tests.market.texts import EVERY, WELL_FORMED

REASONS = {"not_json", "no_stream", "bad_field", "inexact", "bad_reply", "binary"}
LIMIT = 2**63 - 1

bodies = st.one_of(
    payloads,
    json_values.map(
        lambda value: dumps({"lastUpdateId": value, "asks": [], "bids": [], "timestamp": value})
    ),
    json_values.map(lambda value: dumps({"lastUpdateId": "7", "asks": value, "bids": []})),
)
_ints = st.one_of(st.sampled_from(NUMBERS), st.integers())
notes = st.one_of(
    payloads,
    st.builds(
        lambda step, ms, ns: dumps({"step_ns": step, "venue_ms": ms, "round_trip_ns": ns}),
        _ints, st.none() | _ints, st.none() | _ints,
    ),
    st.builds(
        lambda word, since, until: dumps(
            {"judgement": word, "evidence": "", "action": "", "since": since, "until": until}
        ),
        st.sampled_from(["dead", "heard", "?"]),
        st.lists(_ints, min_size=3, max_size=3), st.none() | st.lists(_ints, max_size=4),
    ),
    st.builds(
        lambda frames, ended: dumps({"cause": "memory", "frames": frames, "ended": ended}),
        _ints, st.booleans(),
    ),
)  # fmt: skip
arrivals = st.one_of(
    st.tuples(st.just(Kind.DATA), payloads),
    st.tuples(st.just(Kind.DATA), payloads),
    st.tuples(st.just(Kind.BINARY), payloads),
    st.tuples(st.just(Kind.REPLY), bodies),
    st.tuples(st.just(Kind.FAILED), bodies),
    st.tuples(st.just(Kind.SENT), payloads),
    st.tuples(st.just(Kind.KEYFRAME), bodies),
    st.tuples(st.sampled_from([Kind.CLOCK, Kind.COPIES, Kind.SILENCE]), notes),
    st.tuples(st.sampled_from([Kind.LOSS, Kind.LOAD]), notes),
)


def fed(engine: Engine, stamper: Stamper, kind: Kind, payload: bytes) -> None:
    """Feed one and check the rows."""
    topic = {Kind.REPLY: depth_path(SYMBOL), Kind.FAILED: depth_path(SYMBOL)}.get(kind, "")
    if kind is Kind.KEYFRAME:
        topic = f"depth.{SYMBOL}"
    frame = stamper.frame(kind, payload, conn=1, topic=topic)
    for row in engine.feed(frame):
        check_fits(row)
        assert (row.seq, row.ts_recv) == (frame.seq, frame.ts_recv)
        if isinstance(row, Reject):
            assert row.reason in REASONS
            assert len(row.detail) <= 200


def started() -> tuple[Engine, Stamper]:
    """An engine that has heard of every stream, with a live book."""
    hand = Hand()
    hand.subscribe()
    hand.join(4330360994, bids=[("98.96", "288.77"), ("98.90", "1")])
    for text in EVERY.values():
        assert hand.data(text) or "depth.200ms" in text
    assert hand.id == 4330360995
    return hand.engine, hand.stamper


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(arrivals, min_size=1, max_size=4))
@example([(Kind.DATA, b'{"stream":"ticker.\xff","data":{}}')])  # no UTF-8
@example([(Kind.DATA, b'{"stream":"ticker.A","data":{"e":"ticker","s":"\xed\xa0\x80","E":1}}')])
@example([(Kind.REPLY, b'{"lastUpdateId":"1","asks":[["\xff","1"]],"bids":[]}')])
@example([(Kind.SENT, b'{"method":"SUBSCRIBE","params":["\xff"]}')])
def test_nothing_raises_and_all_rows_fit(drawn: list[tuple[Kind, bytes]]) -> None:
    """On an engine that is in the middle of things; and it goes on afterwards."""
    engine, stamper = started()
    for kind, payload in drawn:
        fed(engine, stamper, kind, payload)
    recovers(engine, stamper)


def recovers(engine: Engine, stamper: Stamper) -> None:
    """A new connection, a delta and a snapshot make a live book again, whatever ids and times were
    heard before."""
    engine.take_requests()
    hand = Hand()
    hand.engine, hand.stamper = engine, stamper
    hand.subscribe(conn=2)
    hand.delta(11, bids=[("1.00", "0.00")], conn=2)
    hand.join(10, bids=[("1", "1")])
    assert (hand.id, hand.bids) == (11, [])


@settings(max_examples=examples(50), deadline=None)
@given(st.sampled_from(["depth", "trade"]), st.lists(st.sampled_from([0, 1, LIMIT - 1, LIMIT])))
def test_ids_at_the_end_of_an_int64_fit_all_that_is_made_of_them(
    channel: str, ids: list[int]
) -> None:
    """A gap row says the id expected, one more than any that came."""
    engine, stamper = Engine(), Stamper()
    for at, update_id in enumerate(ids):
        text = WELL_FORMED[channel].replace('"U":4330360995', f'"U":{update_id}')
        text = text.replace('"u":4330360995', f'"u":{update_id}').replace(
            '"t":381737933', f'"t":{update_id}'
        )
        text = text.replace('"T":17', f'"T":{17 + at}')
        fed(engine, stamper, Kind.DATA, text.encode())


def test_a_failed_request_may_say_anything() -> None:
    """Its body is the venue's."""
    engine, stamper = started()
    payload = to_json(RequestFailed(500, "x" * 5_000, "\x00" * 5_000))
    fed(engine, stamper, Kind.FAILED, payload)


def test_a_gap_is_a_row_that_fits() -> None:
    """What the checks above would see of one."""
    engine, stamper = started()
    text = WELL_FORMED["trade"].replace("381737933", "381737999")
    rows = engine.feed(stamper.data(text))
    assert any(isinstance(row, Gap) for row in rows)
    for row in rows:
        check_fits(row)


@settings(max_examples=examples(50), deadline=None)
@given(st.sampled_from(list(Kind)), st.sampled_from(["//[", "//[x]", "\0", "?", "depth.", "/"]))
def test_a_topic_may_be_anything(kind: Kind, topic: str) -> None:
    """Of a tape that somebody else has made, or the path of a request."""
    engine, stamper = started()
    for row in engine.feed(stamper.frame(kind, b"{}", conn=1, topic=topic)):
        check_fits(row)
        assert not (isinstance(row, Reject) and row.reason == "internal"), row
