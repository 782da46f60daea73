"""The venue's messages about an account (protocol section 4); the public ones: `schemas.wire`.

Some members were captured as a text and documented as a number, or the other way round: all numbers
are `Figure`, which takes both.
"""

from typing import Literal

from msgspec import Struct

from schemas.figures import Figure
from schemas.wire import Id, Micros, Millis, Symbol, Text, Word

Name = Text | Id  # of something: a text or a number


class Order(Struct, gc=False, kw_only=True):
    """Section 4.1. ``z``, ``Z`` are totals; ``l``, ``L``, ``n``, ``N``, ``t``, ``m`` of a fill."""

    e: Literal[
        "orderAccepted",
        "orderCancelled",
        "orderExpired",
        "orderFill",
        "orderModified",
        "triggerPlaced",
        "triggerFailed",
    ]
    E: Micros
    s: Symbol
    i: Name
    S: Word
    X: Word
    z: Figure
    Z: Figure
    T: Micros | None = None
    c: Id | None = None
    o: Word | None = None
    f: Word | None = None
    p: Figure | None = None
    q: Figure | None = None
    Q: Figure | None = None
    P: Figure | None = None
    B: Word | None = None
    Y: Figure | None = None
    a: Figure | None = None
    j: Figure | None = None
    d: Word | None = None
    b: Figure | None = None
    k: Figure | None = None
    g: Word | None = None
    R: Word | None = None
    er: Word | None = None
    t: Id | None = None
    l: Figure | None = None
    L: Figure | None = None
    m: bool | None = None
    n: Figure | None = None
    N: Word | None = None
    V: Word | None = None
    r: bool | None = None
    y: bool | None = None
    O: Word | None = None
    I: Name | None = None
    H: Id | None = None


class Position(Struct, gc=False, kw_only=True):
    """Section 4.2. Without ``e`` it is one that was open when the stream was subscribed. ``l`` is
    always 0, and nobody reads it."""

    e: Literal["positionAdjusted", "positionOpened", "positionClosed", None] = None
    s: Symbol
    q: Figure
    E: Micros | None = None
    T: Micros | None = None
    i: Id | None = None
    Q: Figure | None = None
    n: Figure | None = None
    B: Figure | None = None
    b: Figure | None = None
    M: Figure | None = None
    f: Figure | None = None
    m: Figure | None = None
    p: Figure | None = None
    P: Figure | None = None
    l: Figure | None = None


class Balance(Struct, gc=False, kw_only=True):
    """Section 4.3. It is about an asset ``a`` and no market."""

    e: Literal["balanceUpdate"]
    E: Micros
    a: Symbol
    A: Figure
    L: Figure
    S: Figure | None = None
    T: Micros | None = None
    s: str = ""


class Rfq(Struct, gc=False, kw_only=True):
    """Section 4.4. ``w`` and ``W`` are in milliseconds."""

    e: Literal[
        "rfqActive",
        "rfqAccepted",
        "rfqRefreshed",
        "rfqCancelled",
        "rfqCancelRequested",
        "rfqCandidate",
        "rfqFilled",
        "rfqAcceptedBinding",
        "quoteAccepted",
        "quoteCancelled",
    ]
    E: Micros
    s: Symbol
    R: Id
    T: Micros | None = None
    u: Id | None = None
    C: Name | None = None
    S: Word | None = None
    o: Word | None = None
    q: Figure | None = None
    Q: Figure | None = None
    p: Figure | None = None
    w: Millis | None = None
    W: Millis | None = None
    O: Name | None = None
    X: Word | None = None
    z: Figure | None = None
    Z: Figure | None = None
    l: Figure | None = None
    L: Figure | None = None
