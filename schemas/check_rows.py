"""Rows of what was compared: books with what the venue says of them, clocks, connections."""

from typing import Annotated

from schemas.columns import Count, Doc, Price, Qty, Text, Time, Word
from schemas.rows import Row


class Audit(Row, tag="audit"):
    """The book of a depth stream beside what the venue says of it at the same update id.

    Against bookTicker only what differs makes a row; against a fresh REST snapshot each comparison
    does. A book whose stream has stopped, while the venue was ahead of it for more than 10 s, is
    compared as it stands. Prices and quantities are those of the best level on each side that
    differs, ours and the venue's; null: the side agrees, or has no such level.
    """

    topic: Annotated[Word, Doc("depth stream")]
    source: Annotated[Word, Doc("`bookTicker` or `rest`")]
    update_id: Annotated[
        Count, Doc("id at which both were compared; the venue's, where the book is behind")
    ]
    levels: Annotated[Count, Doc("levels that differ; 0: they agree")]
    bid_price: Annotated[Price | None, Doc("our bid that differs")]
    bid_qty: Annotated[Qty | None, Doc("our quantity there")]
    ask_price: Annotated[Price | None, Doc("our ask that differs")]
    ask_qty: Annotated[Qty | None, Doc("our quantity there")]
    venue_bid_price: Annotated[Price | None, Doc("the venue's bid in its place")]
    venue_bid_qty: Annotated[Qty | None, Doc("the venue's quantity there")]
    venue_ask_price: Annotated[Price | None, Doc("the venue's ask in its place")]
    venue_ask_qty: Annotated[Qty | None, Doc("the venue's quantity there")]


class Clock(Row, tag="clock"):
    """The recorder's clocks, once a minute and whenever the wall clock was set."""

    mono_ns: Annotated[Count, Doc("monotonic clock, ns from an arbitrary start")]
    step_ns: Annotated[
        Count, Doc("how far the wall clock ran from the monotonic one since the row before, ns")
    ]
    ts_venue: Annotated[Time | None, Doc("the venue's clock (`/api/v1/time`), to the ms")]
    round_trip_ns: Annotated[Count | None, Doc("how long asking took, by the monotonic clock")]
    offset_ns: Annotated[
        Count | None,
        Doc("venue less wall clock at the middle of the round trip; sure to half of it and 1 ms"),
    ]


class Copy(Row, tag="copy"):
    """A message that came again on another connection. But for `E` it is the frame it repeats."""

    copied_seq: Annotated[Count, Doc("frame that it repeats")]
    conn: Annotated[Count, Doc("connection that brought the copy")]
    late_ns: Annotated[Count, Doc("how long after that frame it came, by the monotonic clock")]
    event_late_ns: Annotated[
        Count | None, Doc("by how much `E` of the copy is later; null: it has none")
    ]


class Silence(Row, tag="silence"):
    """A topic that says nothing for longer than its channel may, and what it is taken for.

    A row for each change of verdict or action, one where another process takes the recording over,
    and one that ends it (`heard`, `unsubscribed`). The rows of one silence have the same topic and
    ``since_seq``. One that goes on at the end of a session has no end.
    """

    topic: Annotated[Word, Doc("stream")]
    verdict: Annotated[
        Word,
        Doc("`unheard`, `quiet`, `dead`, `no_market`, `unknown`; ended: `heard`, `unsubscribed`"),
    ]
    evidence: Annotated[Text, Doc("why, in words")]
    action: Annotated[
        Word, Doc("what is done: `subscribe again`, `reconnect`; empty: nothing, or not yet")
    ]
    since_seq: Annotated[
        Count, Doc("frame of its last message, or of the request that subscribed it")
    ]
    ts_since: Annotated[Time, Doc("wall clock at that frame")]
    ts_until: Annotated[Time | None, Doc("wall clock when it ended; null while it goes on")]
    lasted_ns: Annotated[Count | None, Doc("how long, by the monotonic clock; null as above")]
