"""Joining the REST snapshot with the stream of deltas (protocol section 3.3).

The states of a book and the table of what leads from one to another; the rules:

* A snapshot at id L joins when the first kept delta (``u > L``) has ``U <= L + 1``. A throttled
  delta that straddles L is applied whole, quantities being absolute. With nothing kept the book
  is the snapshot, and the next delta must meet the same condition.
* From then on each delta must have ``U == last + 1``. ``u <= last`` is a repeat and is ignored,
  unless its engine time is newer than the book's: then the numbering went back, which is a gap.
  So it is with a snapshot of lower ids than had come.
* A gap, a frame that cannot be read, or a closed connection costs the book. Nobody can read a
  best price from it until the next join.
* Requests for snapshots grow apart while they do not help.
"""

from enum import StrEnum


class State(StrEnum):
    """Where a book stands."""

    EMPTY = "empty"  # nothing was heard of it on a connection that is open
    BUFFERING = "buffering"  # deltas are kept until a snapshot joins
    LIVE = "live"  # the book is the venue's
    STALE = "stale"  # it was live and is not any more; otherwise as BUFFERING


class Event(StrEnum):
    """What can happen to it."""

    OPEN = "open"  # subscribed on a connection
    DELTA = "delta"  # a delta that chains, or the first
    REPEAT = "repeat"  # a delta that was seen before
    GAP = "gap"  # a delta that does not chain, or one that cannot be read
    JOIN = "join"  # a snapshot that joins
    BEHIND = "behind"  # a snapshot too old, or a request that failed
    CLOSE = "close"  # the connection ended


class Act(StrEnum):
    """What is done about it."""

    IGNORE = "ignore"
    ASK_LATER = "ask later"
    KEEP = "keep"
    APPLY = "apply"
    LOSE = "lose"
    JOIN = "join"
    ASK_AGAIN = "ask again"
    FORGET = "forget"


TABLE: dict[tuple[State, Event], tuple[State, Act]] = {
    (State.EMPTY, Event.OPEN): (State.BUFFERING, Act.ASK_LATER),
    (State.EMPTY, Event.DELTA): (State.BUFFERING, Act.KEEP),
    (State.EMPTY, Event.REPEAT): (State.EMPTY, Act.IGNORE),
    (State.EMPTY, Event.GAP): (State.BUFFERING, Act.LOSE),
    (State.EMPTY, Event.JOIN): (State.EMPTY, Act.IGNORE),
    (State.EMPTY, Event.BEHIND): (State.EMPTY, Act.IGNORE),
    (State.EMPTY, Event.CLOSE): (State.EMPTY, Act.FORGET),
    (State.BUFFERING, Event.OPEN): (State.BUFFERING, Act.IGNORE),
    (State.BUFFERING, Event.DELTA): (State.BUFFERING, Act.KEEP),
    (State.BUFFERING, Event.REPEAT): (State.BUFFERING, Act.IGNORE),
    (State.BUFFERING, Event.GAP): (State.BUFFERING, Act.LOSE),
    (State.BUFFERING, Event.JOIN): (State.LIVE, Act.JOIN),
    (State.BUFFERING, Event.BEHIND): (State.BUFFERING, Act.ASK_AGAIN),
    (State.BUFFERING, Event.CLOSE): (State.EMPTY, Act.FORGET),
    (State.LIVE, Event.OPEN): (State.LIVE, Act.IGNORE),
    (State.LIVE, Event.DELTA): (State.LIVE, Act.APPLY),
    (State.LIVE, Event.REPEAT): (State.LIVE, Act.IGNORE),
    (State.LIVE, Event.GAP): (State.STALE, Act.LOSE),
    (State.LIVE, Event.JOIN): (State.LIVE, Act.IGNORE),
    (State.LIVE, Event.BEHIND): (State.LIVE, Act.IGNORE),
    (State.LIVE, Event.CLOSE): (State.EMPTY, Act.FORGET),
    (State.STALE, Event.OPEN): (State.BUFFERING, Act.ASK_LATER),
    (State.STALE, Event.DELTA): (State.STALE, Act.KEEP),
    (State.STALE, Event.REPEAT): (State.STALE, Act.IGNORE),
    (State.STALE, Event.GAP): (State.STALE, Act.LOSE),
    (State.STALE, Event.JOIN): (State.LIVE, Act.JOIN),
    (State.STALE, Event.BEHIND): (State.STALE, Act.ASK_AGAIN),
    (State.STALE, Event.CLOSE): (State.EMPTY, Act.FORGET),
}
