"""What a silent topic is taken for, by evidence alone; and how seldom connections are replaced."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.streams import PUBLIC, STREAMS
from recorder.asked import Asked
from recorder.cadences import CADENCES, Asks
from recorder.judge import Evidence, Finding, Word, judge
from recorder.marks import Mark, heard_mark, reply_mark
from recorder.redials import LONGEST_NS, Redials
from schemas.frames import Frame, Judgement, Kind
from tests.market.stamps import Stamper, subscribe, unsubscribe
from tests.market.texts import WELL_FORMED

TABLE = [
    # A topic that may be quiet for ever.
    (Evidence(), None),
    (Evidence(word=Word.SAME), "quiet"),
    (Evidence(word=Word.AHEAD), None),
    (Evidence(word=Word.OVERDUE), "dead"),
    (Evidence(word=Word.OVERDUE, line_talks=False), "dead"),
    (Evidence(word=Word.OVERDUE, line_talks=False, others=1), "dead, with its connection"),
    (Evidence(word=Word.NO_ANSWER), "unknown"),
    (Evidence(word=Word.NO_MARKET), "no_market"),
    (Evidence(word=Word.LISTED), None),
    (Evidence(word=Word.LISTED, was_heard=False), "unheard"),
    (Evidence(can_ask=False, was_heard=False), "unheard"),
    (Evidence(can_ask=False), None),
    (Evidence(line_talks=False), None),
    # One that has to speak by itself.
    (Evidence("a lot"), None),
    (Evidence("a lot", word=Word.LISTED), "dead"),
    (Evidence("a lot", word=Word.LISTED, peers=2), "dead"),
    (Evidence("a lot", word=Word.NO_ANSWER, peers=2), "unknown"),
    (Evidence("a lot", word=Word.NO_MARKET, peers=2), "no_market"),
    (Evidence("a lot", line_talks=False), "dead, with its connection"),
    (Evidence("a lot", line_talks=False, word=Word.NO_ANSWER), "dead, with its connection"),
    (Evidence("a lot", line_talks=False, word=Word.NO_MARKET), "no_market"),
    (Evidence("a lot", line_talks=False, is_lone=True), None),
    (Evidence("a lot", line_talks=False, is_lone=True, word=Word.NO_ANSWER), "unknown"),
    (
        Evidence("a lot", line_talks=False, is_lone=True, word=Word.LISTED),
        "dead, with its connection",
    ),
    # One from outside the venue, which may rest there.
    (Evidence("a lot", True, word=Word.LISTED), "unknown"),
    (Evidence("a lot", True, word=Word.LISTED, peers=1), "dead"),
    (Evidence("a lot", True, can_ask=False), "unknown"),
    (Evidence("a lot", True, can_ask=False, peers=1), "dead"),
]


def told(finding: Finding | None) -> str | None:
    """As in the table."""
    if finding is None:
        return None
    return finding.judgement + (", with its connection" if finding.whole else "")


@pytest.mark.parametrize(("evidence", "verdict"), TABLE)
def test_the_table(evidence: Evidence, verdict: str | None) -> None:
    assert told(judge(evidence)) == verdict


evidences = st.builds(
    Evidence,
    speaks=st.sampled_from(["", "a lot"]),
    foreign=st.booleans(),
    can_ask=st.booleans(),
    was_heard=st.booleans(),
    line_talks=st.booleans(),
    is_lone=st.booleans(),
    others=st.integers(0, 2),
    peers=st.integers(0, 2),
    word=st.sampled_from(Word),
)


@given(evidences)
def test_what_must_hold_of_any_evidence(evidence: Evidence) -> None:
    """Nothing is torn down but for a topic that is dead, and none is dead without a reason that
    somebody could check."""
    finding = judge(evidence)
    dead = finding is not None and finding.judgement is Judgement.DEAD
    if evidence.word is Word.NO_MARKET:
        assert told(finding) == "no_market"
    if finding is not None and finding.whole:
        assert dead
        assert not evidence.line_talks
        assert "nothing comes on the connection" in finding.evidence
    if dead and not evidence.speaks:
        assert evidence.word is Word.OVERDUE
    if dead and evidence.word is Word.NO_ANSWER:
        assert not evidence.line_talks
        assert not evidence.is_lone
    if evidence.word is Word.UNASKED and evidence.can_ask and evidence.line_talks:
        assert finding is None
    if not evidence.speaks and evidence.word is Word.SAME:
        assert told(finding) == "quiet"


@given(evidences, st.sampled_from(Word))
def test_a_talking_connection_is_never_replaced_for_one_topic(
    evidence: Evidence, word: Word
) -> None:
    finding = judge(evidence._replace(line_talks=True, word=word))
    assert finding is None or not finding.whole


def test_every_channel_has_a_cadence() -> None:
    """Those of an account none that counts: `Account` sees what is refused."""
    assert set(CADENCES) == set(STREAMS)
    watched = {channel for channel, cadence in CADENCES.items() if cadence.patience is not None}
    assert watched == set(PUBLIC)
    spans = {"once a second": 1, "every 5 s": 5, "once a minute": 60}
    for cadence in CADENCES.values():
        if cadence.speaks:
            assert cadence.patience is not None
            assert cadence.patience > 3 * spans[cadence.speaks]


def test_marks_are_of_streams_with_ids() -> None:
    """By the texts of the venue: where each of its streams has come to."""
    marks = {}
    for text in WELL_FORMED.values():
        mark = heard_mark(Frame(1, 1, 1, 1, Kind.DATA, "", text.encode()))
        if mark is not None:
            channel = text.rpartition('"stream":"')[2].partition(".")[0]
            marks[channel] = mark
    assert set(marks) == {"depth", "bookTicker", "trade"}
    assert marks["bookTicker"].best is not None
    assert heard_mark(Frame(1, 1, 1, 1, Kind.DATA, "", b"{")) is None
    assert heard_mark(Frame(1, 1, 1, 1, Kind.DATA, "", b"")) is None


def test_a_quote_is_behind_only_if_the_best_prices_are_others() -> None:
    """However the venue writes them, and in whatever order."""
    text = (
        '{"data":{"A":"1.0","B":"4.00","E":1,"a":"100.70","b":"100.60","e":"bookTicker",'
        '"s":"SOL_USDC","u":8},"stream":"bookTicker.SOL_USDC"}'
    )
    quote = heard_mark(Frame(1, 1, 1, 1, Kind.DATA, "", text.encode()))
    body = (
        b'{"asks":[["100.7","1"],["101","2"]],"bids":[["100.5","3"],["100.6","4"]],'
        b'"lastUpdateId":"10","timestamp":1700000000000000}'
    )
    assert quote is not None
    same, other = (
        reply_mark(Asks.BOOK, one, touch=True) for one in (body, body.replace(b'"4"', b'"5"'))
    )
    assert not same.is_ahead(quote)
    assert other.is_ahead(quote)
    assert not other._replace(id=8).is_ahead(quote)
    assert reply_mark(Asks.BOOK, body) == Mark(10)
    assert reply_mark(Asks.TRADES, b'[{"id":7,"price":"1"},{"id":6}]') == Mark(7)
    assert reply_mark(Asks.TRADES, b"[]") == Mark(0)


@given(st.lists(st.tuples(st.integers(0, 4_000), st.booleans()), max_size=40))
def test_connections_are_replaced_ever_more_seldom(looks: list[tuple[int, bool]]) -> None:
    """While something is dead: each wait is twice the one before, up to an hour, however often
    somebody looks."""
    second, now = 1_000_000_000, 0
    redials, done = Redials(60 * second), list[int]()
    for passed, _ in looks:
        now += passed * second
        if redials.may(now):
            redials.done(now)
            done.append(now)
    waits = [later - earlier for earlier, later in pairwise(done)]
    for number, wait in enumerate(waits):
        assert wait >= min(60 * second << number, LONGEST_NS)


def test_a_topic_is_watched_while_any_connection_has_it() -> None:
    """Nothing is without one."""
    asked, stamper = Asked(1.0), Stamper()

    def hear(kind: Kind, payload: bytes, conn: int) -> set[str]:
        asked.hear(stamper.frame(kind, payload, conn=conn), [])
        assert set(asked.numbered("X")) == {"depth.X"} & set(asked.topics)
        return set(asked.topics)

    both = {"depth.X", "trade.X"}
    assert hear(Kind.SENT, subscribe("depth.X", "trade.X", "account.orderUpdate"), 1) == both
    assert hear(Kind.SENT, subscribe("depth.X"), 2) == both
    assert hear(Kind.CLOSE, b"", 1) == {"depth.X"}
    assert hear(Kind.CLOSE, b"", 2) == set()
    assert asked.dropped == {}
    assert hear(Kind.SENT, subscribe("depth.X", "trade.X"), 3) == both
    assert hear(Kind.SENT, unsubscribe("depth.X"), 3) == {"trade.X"}
    assert set(asked.dropped) == {"depth.X"}


def test_what_was_long_ago_is_forgotten() -> None:
    redials = Redials(10)
    for now in (0, 10, 30):
        assert redials.may(now)
        redials.done(now)
    redials.calm(69)
    assert not redials.may(69)
    redials.calm(30 + 2 * 40)
    assert redials.may(110)
    redials.done(110)
    assert redials.may(120)
