"""A hole in a segment becomes a frame that says so, wherever it is."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.frames import Frame, FramesLost, Kind, to_json
from tape.losses import mended, missing_at, next_seq
from tape.tally import Tally


def frame(seq: int, kind: Kind = Kind.DATA) -> Frame:
    return Frame(seq, 1_000 + seq, 10 + seq, 1, kind, "", b"{}")


def known(_: Frame) -> int | None:
    return 70


def none(_: Frame) -> int | None:
    return None


@given(st.sets(st.integers(1, 60), min_size=1), st.integers(0, 3))
def test_all_that_is_missing_is_counted_where_it_is(seqs: set[int], first: int) -> None:
    """The dumb model: one number after another, each there or not."""
    there = [frame(seq + first) for seq in sorted(seqs)]
    frames = list(mended(there, first, known))
    assert [f for f in frames if f.kind is Kind.DATA] == there
    counted = first
    for each in frames:
        assert each.seq == counted + 1
        counted = each.seq - 1 + (missing_at(each) or 1)
        assert next_seq(each) == counted + 1
    assert counted == there[-1].seq
    assert list(mended(frames, first, lambda f: None)) == frames


def test_a_loss_has_the_times_of_the_frame_before_it() -> None:
    before, loss, after = mended([frame(3), frame(9)], 2, lambda f: 70 if f.seq == 9 else None)
    assert loss == Frame(4, before.ts_recv, before.ts_mono, 0, Kind.LOSS, "", loss.payload)
    assert loss.payload == to_json(FramesLost("damaged", frames=5, bytes=70, ended=True))
    assert after.seq == 9


def test_what_is_missing_at_the_head() -> None:
    (loss, _) = mended([frame(9)], 5, known)
    assert (loss.seq, missing_at(loss), loss.ts_recv) == (6, 3, frame(9).ts_recv)
    (loss, _) = mended([frame(9)], None, known)  # at least one, or nothing would be missing
    assert (loss.seq, missing_at(loss)) == (8, 1)
    assert list(mended([frame(9)], 8, known)) == [frame(9)]
    assert list(mended([frame(9)], 5, none)) == [frame(9)]
    assert list(mended([frame(1)], None, known)) == [frame(1)]


def test_only_holes_on_the_tape_stand_for_frames() -> None:
    memory = to_json(FramesLost("memory", frames=5))
    for payload in (memory, b"", b"\xff", b'{"cause":1}'):
        loss = Frame(4, 1, 1, 0, Kind.LOSS, "", payload)
        assert (missing_at(loss), next_seq(loss)) == (0, 5)


def test_a_tally_knows_of_holes_with_and_without_their_frame() -> None:
    bare, told = Tally(), Tally()
    holed = [frame(1), frame(2), frame(7), frame(8)]
    for each in holed:
        bare.add(each, "", [])
    for each in mended(holed, 0, none):
        told.add(each, "", [])
    assert bare.jumps == told.jumps == [(2, 7)]
