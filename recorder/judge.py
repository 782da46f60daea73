"""The verdict on a silent topic: quiet, dead or unknown. Pure: evidence in, verdict out.

In this order, as each costs more than the one before:

* our pings are answered, else websockets ends the connection, and there is nothing to judge;
* siblings: if nothing at all comes on a connection on which several markets have to speak by
  themselves, it is dead; ids of one stream of a market may be ahead of another's;
* REST: no such market; or ids that a stream should have brought long ago; or none.
"""

from enum import StrEnum
from typing import NamedTuple

from schemas.frames import Judgement


class Word(StrEnum):
    """What the venue says elsewhere of a topic that is silent."""

    UNASKED = "unasked"
    NO_ANSWER = "no answer"
    NO_MARKET = "no market"
    LISTED = "listed"  # there is such a market; ids cannot be compared, or not yet
    SAME = "same"  # nothing has happened that the topic would have told
    AHEAD = "ahead"  # something has, a moment ago
    OVERDUE = "overdue"  # something has, long ago


class Evidence(NamedTuple):
    """What is known of a topic that was silent for longer than its channel may.

    speaks, foreign: see `recorder.cadences.Cadence`. can_ask: whether REST could tell.
    was_heard: since it was subscribed last. line_talks: whether anything comes on its connection.
    is_lone: no topic of another market that speaks by itself is subscribed.
    others: other topics that are subscribed. peers: those of its channel that talk.
    word, detail: what the venue says of it.
    """

    speaks: str = ""
    foreign: bool = False
    can_ask: bool = True
    was_heard: bool = True
    line_talks: bool = True
    is_lone: bool = False
    others: int = 0
    peers: int = 0
    word: Word = Word.UNASKED
    detail: str = ""


class Finding(NamedTuple):
    """A verdict and why. whole: of the connection, not of the topic alone."""

    judgement: Judgement
    evidence: str
    whole: bool = False


NOTHING_COMES = "nothing comes on the connection"


def judge(evidence: Evidence) -> Finding | None:
    """The verdict; None while the venue has to be asked first, or given time."""
    if evidence.word is Word.NO_MARKET:
        return Finding(Judgement.NO_MARKET, evidence.detail)
    return _steady(evidence) if evidence.speaks else _fitful(evidence)


def _steady(evidence: Evidence) -> Finding | None:
    """Of a topic that has to speak by itself."""
    speaks = f"it speaks {evidence.speaks}"
    if not evidence.line_talks and not evidence.is_lone:
        return Finding(Judgement.DEAD, f"{speaks}, and {NOTHING_COMES}", whole=True)
    if evidence.can_ask and evidence.word is Word.UNASKED:
        return None
    if evidence.word is Word.NO_ANSWER:
        return Finding(Judgement.UNKNOWN, evidence.detail)
    if evidence.peers:
        return Finding(Judgement.DEAD, f"{speaks}, and {evidence.peers} others like it talk")
    if evidence.foreign or not evidence.can_ask:
        return Finding(Judgement.UNKNOWN, f"{speaks}, but none like it talks")
    if evidence.line_talks:
        return Finding(Judgement.DEAD, f"{speaks}, and its market is open")
    return Finding(Judgement.DEAD, f"{speaks}, and {NOTHING_COMES}", whole=True)


def _fitful(evidence: Evidence) -> Finding | None:
    """Of a topic that may be quiet for ever."""
    match evidence.word:
        case Word.OVERDUE:
            if evidence.line_talks or not evidence.others:
                return Finding(Judgement.DEAD, evidence.detail)
            return Finding(Judgement.DEAD, f"{evidence.detail}, and {NOTHING_COMES}", whole=True)
        case Word.SAME:
            return Finding(Judgement.QUIET, evidence.detail)
        case Word.NO_ANSWER:
            return Finding(Judgement.UNKNOWN, evidence.detail)
    asked = evidence.word is Word.LISTED or not evidence.can_ask
    if asked and not evidence.was_heard:
        return Finding(Judgement.UNHEARD, "nothing since it was subscribed")
    return None
