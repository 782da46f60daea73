"""Whatever connections bring: each message can be had back from the tape, byte for byte."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from typing import NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st

from recorder.folding import COPIES_SHARE, Folding
from recorder.intake import Intake
from recorder.memory import Memory
from recorder.stamp import Stamp
from schemas.frames import Frame, Kind, SegmentHead
from schemas.rows import Row
from tape.copies import ORIGINAL_BYTES
from tape.copy_notes import MOST
from tests.market.stamps import event

HEAD = SegmentHead("20261122T063000Z-0000", 1, 1, "0", (), "ws://venue", "http://venue")
ERROR = '{"id":null,"error":{"code":4003,"message":"Invalid signature"}}'
SOME = '{"data":{"E":%s,"e":"ticker","s":"SOL_USDC"},"stream":"ticker.SOL_USDC"}'


TINY = COPIES_SHARE * ORIGINAL_BYTES  # bytes of memory: there is no room for one original
Message = tuple[int, Kind, bytes, int]  # with its connection and its time


class Came(NamedTuple):
    """A message of a connection, so many ns after the one before; or a new segment."""

    conn: int
    text: str
    later: int = 0
    kind: Kind = Kind.DATA


EVENTS = st.sampled_from(("1", "7", "07", "007", "500002", "999999", "0", "00", "1000000", "-5"))
TEXTS = st.one_of(
    EVENTS.map(lambda event: SOME % event),
    st.integers(10**17, 10**20).map(lambda event: SOME % event),
    st.sampled_from(
        (ERROR, '{"stream":"x"}', '"stream","E":', '"stream","E":1', '"E":"E":5"stream"')
    ),
    st.lists(st.sampled_from(('"E":', "1", "12", '"', "\0", '"stream"')), max_size=6).map("".join),
)
KINDS = st.sampled_from((*[Kind.DATA] * 5, Kind.BINARY, Kind.SEGMENT))
LATER = st.sampled_from((0, 1, 10**6, 10**9, 11 * 10**9))
CAME = st.lists(st.builds(Came, st.integers(1, 3), TEXTS, LATER, KINDS), max_size=40)


class Taken:
    """What the intake has made of it: all frames, by segments."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self._mono = 10**12

    def __call__(self, frame: Frame, rows: list[Row]) -> None:
        assert not [row for row in rows if row.TABLE == "reject" and frame.kind is Kind.COPIES]
        self.frames.append(frame)

    def play(self, arrivals: list[Came]) -> list[Message]:
        """Take all of it; what was brought, with the times."""
        intake = Intake(lambda request: None, clock=lambda: Stamp(self._mono, self._mono))
        intake.listeners.append(self)
        brought: list[Message] = []
        folding = Folding(intake)
        intake.begin(HEAD, None)
        with folding.on():
            for came in arrivals:
                self._mono += came.later
                if came.kind is Kind.SEGMENT:
                    intake.end("roll")
                    intake.begin(HEAD, None)
                    continue
                payload, stamp = came.text.encode(), Stamp(self._mono, self._mono)
                before = len(self.kinds(came.kind))
                copy = folding.take(came.kind, payload, came.conn, stamp)
                assert copy == (len(self.kinds(came.kind)) == before)
                brought.append((came.conn, came.kind, payload, self._mono))
        intake.end("stop")
        return brought

    def kinds(self, kind: Kind) -> list[Frame]:
        """Frames of a kind."""
        return [frame for frame in self.frames if frame.kind is kind]


def brought(frames: list[Frame]) -> list[Message]:
    """What the connections have brought, as a stranger reads it off the tape."""
    by_seq = {frame.seq: frame for frame in frames}
    found: list[Message] = []
    for frame in frames:
        if frame.kind in (Kind.DATA, Kind.BINARY):
            found.append((frame.conn, frame.kind, frame.payload, frame.ts_mono))
        elif frame.kind is Kind.COPIES:
            noted = json.loads(frame.payload)
            for line in zip(*(noted[name] for name in noted), strict=True):
                seq, conn, late, event = line
                first = by_seq[seq]
                found.append(
                    (conn, first.kind, shifted(first.payload, event), first.ts_mono + late)
                )
    return found


def shifted(payload: bytes, event_us: int | None) -> bytes:
    """With its first number behind "E" so much later."""
    if event_us is None:
        return payload
    head, name, tail = re.split(rb'("E":)(?=\d)', payload, maxsplit=1)
    digits = re.match(rb"0|\d{1,18}", tail)
    assert digits
    return head + name + b"%d" % (int(digits[0]) + event_us) + tail[digits.end() :]


@given(CAME)
@example([Came(1, '"stream""E":1,"E":,'), Came(2, '"stream""E":,"E":1,')])
def test_every_message_can_be_had_back(arrivals: list[Came]) -> None:
    async def scene() -> None:
        taken = Taken()
        assert Counter(taken.play(arrivals)) == Counter(brought(taken.frames))

    asyncio.run(scene())


@given(CAME)
def test_a_segment_ends_with_its_last_checkpoint(arrivals: list[Came]) -> None:
    """What was collected comes before it."""

    async def scene() -> None:
        taken = Taken()
        taken.play(arrivals)
        heads = [n for n, frame in enumerate(taken.frames) if frame.kind is Kind.SEGMENT]
        for head in (*heads[1:], len(taken.frames)):
            assert taken.frames[head - 1].kind is Kind.CHECKPOINT
            assert json.loads(taken.frames[head - 1].payload)["end"] in ("roll", "stop")

    asyncio.run(scene())


def test_what_is_said_to_one_connection_is_no_copy() -> None:
    """A refusal is an answer: both connections were refused."""

    async def scene() -> None:
        taken = Taken()
        taken.play([Came(1, ERROR), Came(2, ERROR), Came(1, SOME % 5), Came(2, SOME % 9)])
        assert [frame.payload for frame in taken.kinds(Kind.DATA)][:2] == [ERROR.encode()] * 2
        (copies,) = taken.kinds(Kind.COPIES)
        assert json.loads(copies.payload) == {
            "seq": [4], "conn": [2], "late_ns": [0], "event_us": [4]
        }  # fmt: skip

    asyncio.run(scene())


def test_many_copies_do_not_wait() -> None:
    async def scene() -> None:
        taken = Taken()
        count = MOST + 1
        firsts = [Came(1, SOME % f'1,"u":{number}') for number in range(count)]
        taken.play([*firsts, *(came._replace(conn=2) for came in firsts)])
        sizes = [len(json.loads(f.payload)["seq"]) for f in taken.kinds(Kind.COPIES)]
        assert sizes == [MOST, 1]

    asyncio.run(scene())


def test_with_one_connection_there_are_no_copies() -> None:
    """Nor is anything remembered."""

    async def scene() -> None:
        frames: list[Frame] = []
        intake = Intake(lambda request: None)
        intake.listeners.append(lambda frame, rows: frames.append(frame))
        folding = Folding(intake)
        for conn in (1, 2):
            assert not folding.take(Kind.DATA, (SOME % 5).encode(), conn, Stamp(0, 0))
        intake.end("stop")
        assert [frame.kind for frame in frames] == [Kind.DATA, Kind.DATA, Kind.CHECKPOINT]

    asyncio.run(scene())


@given(st.lists(st.tuples(st.integers(1, 2), st.integers(0, 5)), max_size=40))
def test_where_copies_are_forgotten_ids_tell_repeats(order: list[tuple[int, int]]) -> None:
    """With room for none: each copy is a frame of its own, and makes no row and no gap."""

    async def scene() -> None:
        whole, forgetful = (replayed(order, bound) for bound in (10**6, TINY))
        assert len(whole) == max(at(order).values())
        assert len(forgetful) == sum(at(order).values())
        made = [[row for rows in told for row in rows] for told in (whole, forgetful)]
        assert made[0] == made[1] == [("trade", number) for number in range(len(whole))]

    asyncio.run(scene())


def at(order: list[tuple[int, int]]) -> dict[int, int]:
    """How many each of two connections brings."""
    return {conn: sum(steps for one, steps in order if one == conn) for conn in (1, 2)}


def replayed(order: list[tuple[int, int]], bound: int) -> list[list[tuple[str, int]]]:
    """Trades on two connections, in steps; table and id of the rows of each frame of a message."""
    taken = Taken()
    intake = Intake(lambda request: None, Memory(bound))
    rows: list[list[tuple[str, int]]] = []
    intake.listeners += (taken, lambda frame, made: rows.append(told(frame, made)))
    intake.begin(HEAD, None)
    folding, before = Folding(intake), {1: 0, 2: 0}
    for conn in before:
        intake.take(Kind.OPEN, b'{"url":"ws://venue"}', conn=conn)
    with folding.on():
        for conn, steps in order:
            for number in range(before[conn], before[conn] + steps):
                folding.take(Kind.DATA, trade(number), conn, Stamp(number, number))
            before[conn] += steps
    assert folding.held <= bound // COPIES_SHARE
    intake.end("stop")
    return [one for one, frame in zip(rows, taken.frames, strict=True) if frame.kind is Kind.DATA]


def told(frame: Frame, rows: list[Row]) -> list[tuple[str, int]]:
    return [(row.TABLE, getattr(row, "trade_id", 0)) for row in rows]


def trade(number: int) -> bytes:
    members = {"E": 9, "T": 5 + number, "t": number, "p": "1", "q": "1", "m": True}
    return event("trade.SOL_USDC", e="trade", s="SOL_USDC", **members).encode()
