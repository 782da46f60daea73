"""Order books as of a moment of a recording: the state a segment begins with, and its depth rows.

A keyframe says with which book a segment begins; from a `clear` row on, what was before counts no
more. Then the last quantity of each level is what there is. That is what the engine does with the
same frames, done at once.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from schemas.frames import Kind
from schemas.requests import depth_symbol
from schemas.rows import Audit, Depth
from schemas.topics import WINDOWS, depth_topic
from schemas.wire import DepthSnapshot, decoder
from tape.decoded import Decoded, Form, ints
from tape.frames_at import FramesAt
from tape.levels import Book, Stretch, fold, levels_in

_LIVE = "live"
_LEVEL_BYTES = 120  # of a level in a dict
_DISTRUST = Form(("seq", "topic", "levels"))


class BookAt(NamedTuple):
    """A whole book. Levels are (price in 1e-9, quantity in 1e-6), ascending by price.

    update_id: of its newest change. ts_engine: matching engine time of that, ns; None where the
    venue did not say.
    """

    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]
    update_id: int
    ts_engine: int | None
