"""What can happen between a venue and a recorder, as values; Hypothesis draws plays of them."""

from itertools import chain
from typing import NamedTuple

from hypothesis import strategies as st

from tests.market.model_venue import Levels


class Tick(NamedTuple):
    """The venue's book changes; nothing has been sent of it yet."""

    bids: Levels
    asks: Levels
    after_us: int


class Deliver(NamedTuple):
    """The oldest changes not sent yet arrive, merged into one frame."""

    ids: int


class Drop(NamedTuple):
    """They get lost instead."""

    ids: int


class Swap(NamedTuple):
    """The two oldest changes not sent yet arrive in the wrong order."""


class Spoil(NamedTuple):
    """The oldest change not sent yet arrives with a price that fits no column."""


class Repeat(NamedTuple):
    """A frame of this connection arrives again, counted from the newest."""

    back: int


class Cut(NamedTuple):
    """The connection ends; if not told, without a CLOSE frame."""

    told: bool


class Connect(NamedTuple):
    """A new connection; if not told, its first frame is a delta."""

    told: bool


class Leave(NamedTuple):
    """We unsubscribe; what is on its way arrives all the same."""


class Return(NamedTuple):
    """We subscribe again, on the connection there is."""


class Ask(NamedTuple):
    """The door carries out what the engine asked for; eager: even with one on its way."""

    eager: bool


class Check(NamedTuple):
    """The door asks for a snapshot by itself, to compare the book with it."""


class Shed(NamedTuple):
    """What arrives is not kept from here on, or is again; ``frames`` were lost."""

    ended: bool
    frames: int


class Answer(NamedTuple):
    """A request is answered: as the venue was when asked, or as it is now, some ids behind."""

    as_asked: bool
    behind: int


class Fail(NamedTuple):
    """A request fails: with an HTTP status, or with a reply that cannot be read for 200."""

    status: int


class Renumber(NamedTuple):
    """The ids start again further down."""

    after_us: int


Move = (
    Tick
    | Deliver
    | Drop
    | Swap
    | Spoil
    | Repeat
    | Cut
    | Connect
    | Ask
    | Check
    | Answer
    | Fail
    | Renumber
    | Shed
    | Leave
    | Return
)

_QTY = st.sampled_from([0, 0, 1, 10, 100, 250])
_LEVELS = st.dictionaries(st.integers(95, 105), _QTY, max_size=2)
_FEW = st.integers(0, 3)
_TICK = st.builds(Tick, _LEVELS, _LEVELS, st.integers(1, 60_000))
_DELIVER = st.builds(Deliver, st.integers(1, 3))
_ASK = st.builds(Ask, st.booleans())
_CHECK = st.builds(Check)
_ANSWER = st.builds(Answer, st.booleans(), st.integers(0, 4))
_MISHAP = st.one_of(
    st.builds(Drop, st.integers(1, 2)),
    st.builds(Swap),
    st.builds(Spoil),
    st.builds(Repeat, _FEW),
    st.builds(Cut, st.booleans()),
    st.builds(Connect, st.booleans()),
    st.builds(Shed, st.booleans(), st.integers(0, 9)),
    st.builds(Leave),
    st.builds(Return),
    st.builds(Fail, st.sampled_from([0, 200, 404, 429, 500])),
    st.builds(Renumber, st.sampled_from([0, 500_000, 1_500_000, 3_600_000_000])),
)
# What belongs together is drawn together, or few plays would get anywhere.
_USUAL = st.one_of(
    st.tuples(_TICK, _DELIVER),
    st.tuples(_TICK, _TICK, _DELIVER),
    st.tuples(_TICK, _TICK, _TICK, st.one_of(_DELIVER, _MISHAP), _DELIVER),
    st.tuples(_TICK, _ASK, _DELIVER, _ANSWER),
    st.tuples(_CHECK, _TICK, _DELIVER, _TICK, _ANSWER, _DELIVER),
)
_ODD = st.one_of(
    st.tuples(_ASK),
    st.tuples(_ANSWER),
    st.tuples(_MISHAP),
    st.tuples(_CHECK, _MISHAP, _ANSWER),
    st.tuples(_TICK, st.just(Shed(False, 0)), _MISHAP, st.just(Shed(True, 1)), _TICK, _DELIVER),
    st.tuples(st.just(Leave()), _TICK, _DELIVER, st.just(Return()), _ASK, _TICK, _ANSWER, _DELIVER),
    st.tuples(_TICK, _ASK, st.just(Leave()), _MISHAP, st.just(Return()), _TICK, _DELIVER, _ANSWER),
    st.tuples(st.builds(Cut, st.booleans()), _TICK, st.builds(Connect, st.booleans())),
)
_SCENE: st.SearchStrategy[tuple[Move, ...]] = st.one_of(_USUAL, _USUAL, _ODD)


def plays(acts: int = 3) -> st.SearchStrategy[list[Move]]:
    """Scenes in a row: mostly a venue that works, with mishaps in between.

    In acts, since Hypothesis draws lists of five or so however long they may be.
    """
    act = st.lists(_SCENE, max_size=20).map(chain.from_iterable)
    play = st.tuples(*[act] * acts).map(chain.from_iterable)
    return play.map(lambda moves: [Connect(told=True), *moves])
