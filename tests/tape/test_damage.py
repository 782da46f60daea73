"""Damage in the middle of a journal is data: a frame that says so, a gap, and no book to trust."""

from pathlib import Path

from replay import Replay
from replay.certificate import Outcome
from replay.certify import certify
from schemas.frames import Kind
from schemas.rows import Gap
from tape.layout import Tape
from tape.reader import read_frames, segments
from tests.simulate import Plan, simulate
from tests.tapes import Recording, Setting

PLAN = Plan(seed=5, seconds=4)


def damaged(root: Path) -> Recording:
    """Four simulated seconds, of which the third quarter cannot be read any more."""
    session = simulate(PLAN)
    recording = Recording(root, Setting(every=50))
    recording.wall = PLAN.start_ns
    recording.begin(sorted(session.topics))
    recording.connect()
    for symbol, body in session.snapshots.items():
        recording.snapshot(symbol, body)
    journal = next((root / "journal").iterdir())
    sizes = []
    for index, frame in enumerate(session.frames):
        recording.pass_(max(frame.ts_ns - recording.wall, 0))
        recording.data(frame.text)
        if index % (len(session.frames) // 4) == 0:
            recording.flush()
            sizes.append(journal.stat().st_size)
    recording.crash(lambda path: _spoil(path, sizes[2] + 100))
    return recording


def _spoil(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_a_hole_is_a_gap_and_no_book_is_trusted_after_it(tmp_path: Path) -> None:
    recording = damaged(tmp_path / "tape")
    tape = Tape(tmp_path / "tape")
    (manifest,) = segments(tape)
    (damage,) = manifest.damage
    frames = list(read_frames(tape, manifest))
    (loss,) = [frame for frame in frames if frame.kind is Kind.LOSS]
    assert (loss.seq - 1, damage.until_seq) == (
        damage.after_seq,
        frames[frames.index(loss) + 1].seq,
    )
    whole = [frame for frame in frames if frame is not loss]
    assert whole == [f for f in recording.frames if not loss.seq <= f.seq < (damage.until_seq or 0)]

    replay = Replay(tape.root)
    gaps, live = [], {}
    for frame, rows in replay.frames():
        gaps += [row for row in rows if isinstance(row, Gap) and row.cause == "loss"]
        if frame.seq in (loss.seq - 1, loss.seq):
            live[frame.seq] = replay.book("SOL_USDC") is not None
    first = gaps[0]  # those of each stream follow, as their next ids come
    missing = (damage.until_seq or 0) - loss.seq
    assert (first.seq, first.missing, first.topic) == (loss.seq, missing, None)
    assert live == {loss.seq - 1: True, loss.seq: False}
    certificate = certify(tape)
    assert certificate.outcome is Outcome.RECOVERED
    assert certificate.segments[0].findings == ()
