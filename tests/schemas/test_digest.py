"""Digests depend on order and content, and on nothing else."""

from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from schemas.digest import Digest, Witness
from schemas.frames import Frame, Kind
from schemas.rows import Gap, OpenInterest, Row

INTS = st.integers(0, 2**63 - 1)
FRAMES = st.builds(
    Frame, INTS, INTS, INTS, INTS, st.sampled_from(Kind), st.text(max_size=9), st.binary(max_size=9)
)
BIG_FRAMES = st.builds(
    Frame, INTS, INTS, INTS, INTS, st.just(Kind.DATA), st.just(""),
    st.integers(0, 90_000).map(lambda size: b"x" * size),
)  # fmt: skip
ROWS: st.SearchStrategy[Row] = st.one_of(
    st.builds(OpenInterest, INTS, INTS, st.none() | INTS, st.none() | st.text(max_size=9), INTS),
    st.builds(
        Gap, INTS, INTS, INTS, st.text(max_size=9), st.text(max_size=9), st.text(max_size=9),
        INTS, INTS, st.none() | INTS, INTS, INTS,
        st.text(max_size=9), *[st.none() | INTS] * 5,
    ),
)  # fmt: skip


def of(items: list[Frame]) -> str:
    """Digest of all."""
    digest = Digest()
    for item in items:
        digest.add(item)
    return digest.hexdigest()


@given(st.lists(st.one_of(FRAMES, BIG_FRAMES), max_size=8), st.sets(st.integers(0, 8)))
def test_asking_in_between_changes_nothing(frames: list[Frame], asked: set[int]) -> None:
    """However the values were batched inside: small ones, and some longer than a batch."""
    digest = Digest()
    for at, frame in enumerate(frames):
        if at in asked:
            assert digest.hexdigest() == of(frames[:at])
        digest.add(frame)
    assert digest.hexdigest() == of(frames)


@given(st.lists(FRAMES, min_size=1, max_size=5), st.data())
def test_every_field_counts(frames: list[Frame], data: st.DataObject) -> None:
    """One value changed in one field of one frame is another digest."""
    at = data.draw(st.integers(0, len(frames) - 1))
    name = data.draw(st.sampled_from(Frame.__struct_fields__))
    other = getattr(data.draw(FRAMES), name)
    changed = msgspec.structs.replace(frames[at], **{name: other})
    same = getattr(frames[at], name) == other
    assert (of([*frames[:at], changed, *frames[at + 1 :]]) == of(frames)) == same


@given(st.lists(FRAMES, max_size=5), st.randoms(use_true_random=False))
def test_order_counts(frames: list[Frame], random: Random) -> None:
    """The same frames in another order are another recording."""
    shuffled = frames[:]
    random.shuffle(shuffled)
    assert (of(shuffled) == of(frames)) == (shuffled == frames)


@given(st.lists(FRAMES, min_size=1, max_size=5))
def test_what_is_left_out_counts(frames: list[Frame]) -> None:
    """At the end as well."""
    assert of(frames[:-1]) != of(frames)


@given(st.lists(st.tuples(FRAMES, st.lists(ROWS, max_size=3)), max_size=4), st.data())
def test_a_witness_tells_frames_from_rows(
    seen: list[tuple[Frame, list[Row]]], data: st.DataObject
) -> None:
    """Two digests: which frame made a row is in the row; so moving rows from one frame to the next
    changes neither, and changing a row changes only the one of rows."""
    witness, moved, changed = Witness(), Witness(), Witness()
    rows = [row for _, made in seen for row in made]
    for at, (frame, made) in enumerate(seen):
        witness.see(frame, made)
        moved.see(frame, rows if at == 0 else [])
        extra = [data.draw(ROWS)] if at == 0 else []
        changed.see(frame, [*made, *extra])
    checkpoint = witness.checkpoint()
    assert moved.checkpoint() == checkpoint
    assert changed.checkpoint().frames == checkpoint.frames
    assert (changed.checkpoint().rows != checkpoint.rows) == bool(seen)
    assert witness.count == len(seen)
    assert witness.checkpoint("stop") == msgspec.structs.replace(checkpoint, end="stop")


class Twin(msgspec.Struct, array_like=True, tag="twin"):
    """The same columns as open interest."""

    seq: int
    ts_recv: int
    ts_event: int
    symbol: str
    open_interest: int


def test_the_table_of_a_row_counts() -> None:
    """Two tables with equal values are two rows."""
    first, second = Digest(), Digest()
    first.add(OpenInterest(1, 2, 3, "A", 4))
    second.add(Twin(1, 2, 3, "A", 4))
    assert first.hexdigest() != second.hexdigest()
