"""What is a copy and what is not, against a list that is searched from end to end."""

import gc
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from tape.copies import LONG, ORIGINAL_BYTES, SAME_EVENT_US, Copies, Message

HORIZON_NS = 50


def _text(body: int, event: int | None) -> bytes:
    stamp = "" if event is None else f'"E":{event},'
    return f'{{"data":{{"A":"{body}",{stamp}"s":"SOL_USDC"}},"stream":"x"}}'.encode()


class Plain:
    """The same by the words: nearest in `E` of those that this connection has not brought."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, int | None, int, int, list[int]]] = []

    def find(self, conn: int, body: int, event: int | None, now: int) -> int | None:
        best: tuple[int, int] | None = None
        for at, (other, their, _, when, conns) in enumerate(self.taken):
            apart = 0 if event is None or their is None else abs(event - their)
            if other != body or (event is None) != (their is None) or conn in conns:
                continue
            if now - when > HORIZON_NS or apart > SAME_EVENT_US:
                continue
            if best is None or apart < best[0]:
                best = apart, at
        if best is None:
            return None
        self.taken[best[1]][4].append(conn)
        return self.taken[best[1]][2]


ARRIVALS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.integers(0, 2),
        st.one_of(st.none(), st.integers(0, 5).map(lambda half: half * SAME_EVENT_US // 2)),
        st.integers(0, 30),
    ),
    max_size=40,
)


@given(ARRIVALS)
def test_it_finds_what_a_search_finds(arrivals: list[tuple[int, int, int | None, int]]) -> None:
    copies, plain, now = Copies(HORIZON_NS), Plain(), 0
    for seq, (conn, body, event, later) in enumerate(arrivals, 1):
        now += later
        message = Message(_text(body, event))
        found = copies.find(conn, message, now)
        assert (found.seq if found else None) == plain.find(conn, body, event, now)
        if found is None:
            copies.add(conn, message, seq, now)
            plain.taken.append((body, event, seq, now, [conn]))


def test_no_more_than_the_limit_is_remembered() -> None:
    copies = Copies(limit=3)
    for seq in range(1, 6):
        copies.add(1, Message(_text(seq, 7)), seq, seq)
    assert len(copies) == 3
    assert copies.find(2, Message(_text(2, 7)), 6) is None
    found = copies.find(2, Message(_text(3, 8)), 6)
    assert found is not None
    assert found.seq == 3


def test_only_the_time_of_sending_may_differ() -> None:
    copies = Copies()
    copies.add(1, Message(b'{"data":{"E":5,"U":1,"u":1},"stream":"depth.X"}'), 1, 1)
    assert copies.find(2, Message(b'{"data":{"E":6,"U":1,"u":2},"stream":"depth.X"}'), 2) is None
    assert copies.find(2, Message(b'{"data":{"E":6,"U":1,"u":1},"stream":"depth.Y"}'), 2) is None
    assert copies.find(1, Message(b'{"data":{"E":6,"U":1,"u":1},"stream":"depth.X"}'), 2) is None
    assert copies.find(2, Message(b'{"data":{"E":6,"U":1,"u":1},"stream":"depth.X"}'), 2)


def _large(number: int, size: int) -> bytes:
    return b'{"data":"%d%s","stream":"x"}' % (number, bytes(size).hex().encode())


def test_large_messages_are_remembered_by_what_they_hash_to() -> None:
    """As exact, and of 1 MiB each no larger than any other."""
    copies = Copies()
    for seq in range(1, 9):
        copies.add(1, Message(_large(seq, 1 << 19)), seq, seq)
    assert copies.held < 8 * (LONG + ORIGINAL_BYTES)
    found = copies.find(2, Message(_large(3, 1 << 19)), 9)
    assert found is not None
    assert found.seq == 3
    assert copies.find(2, Message(_large(3, (1 << 19) + 1)), 9) is None


@given(st.lists(st.integers(0, 2 * LONG), max_size=40), st.integers(0, 5 * ORIGINAL_BYTES))
def test_the_oldest_go_where_there_is_no_room(sizes: list[int], most: int) -> None:
    copies = Copies()
    copies.most = most
    for seq, size in enumerate(sizes, 1):
        copies.add(1, Message(_large(seq, size)), seq, seq)
        assert copies.held <= most
    known = [
        copies.find(2, Message(_large(seq, size)), len(sizes)) is not None
        for seq, size in enumerate(sizes, 1)
    ]
    assert known == sorted(known)
    assert sum(known) == len(copies)
    assert len(copies) >= min(len(sizes), most // (LONG + ORIGINAL_BYTES))


def test_what_is_said_to_be_held_is_about_what_it_takes() -> None:
    messages = [Message(_text(number, number)) for number in range(3_000)]
    gc.collect()
    tracemalloc.start()
    try:
        copies = Copies()
        for seq, message in enumerate(messages, 10**6):
            copies.add(1, message, seq, seq * 10**9)
            copies.find(2, message, seq)
        taken = tracemalloc.get_traced_memory()[0] + sum(len(m.key) + 64 for m in messages)
    finally:
        tracemalloc.stop()
    assert copies.held // 2 < taken < copies.held
