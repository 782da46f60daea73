"""What only shows in recordings that went on for very long: wide numbers, leap days."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemas.frames import Frame
from tape.compact import compact
from tape.keep import Keep
from tape.layout import SegmentName, Tape
from tape.manifest import Manifest
from tape.plan import plan
from tape.prune import Order, prune
from tape.prunings import What
from tape.reader import holes, read_frames, segments
from tape.retention import Aim, choose, take_stock
from tape.verify import verify
from tests.tape.dumb import NAME, DumbRecorder, sealed

FIRST = 99_997  # a segment a minute comes there in 70 days
BEGAN = datetime(2028, 2, 28, 22, tzinfo=UTC)
STEP = timedelta(hours=7)
HEADLESS = "its session began before it, with what is not here"


def test_numbers_wider_than_their_zeros_and_the_end_of_a_leap_february(tmp_path: Path) -> None:
    tape, times = Tape(tmp_path), [BEGAN + n * STEP for n in range(6)]
    recorder = DumbRecorder(tape, SegmentName(NAME.session, FIRST), ns(BEGAN))
    for when in times:
        recorder.ts = ns(when)
        if when != BEGAN:
            recorder.roll()
        recorder.say(("ETH_USDC", 1, 1))
    recorder.stop()
    for journal in tape.journals():
        sealed(tape, SegmentName.of(journal))
    numbers = [m.number for m in segments(tape)]
    assert numbers == list(range(FIRST, FIRST + 6))
    assert holes(segments(tape)) == []
    before = verify(tape)
    assert [finding.problem for finding in before] == [HEADLESS]
    days = [f"{when:%Y-%m-%d}" for when in times]
    assert days == [date_of(manifest) for manifest in segments(tape)]
    assert [day.date for day in compact(tape, plan(tape, all_days=True))] == [
        "2028-02-29",
        "2028-03-01",
    ]
    assert (verify(tape), all_frames(tape)) == (before, recorder.frames)
    stock = take_stock(tape)
    choice = choose(stock, Aim(Keep.parse(["1B"]), ns(times[-1])))
    done = list(prune(tape, stock, choice.going, Order(What.ALL, "test", "")))
    assert [gone.name.number for gone in done] == numbers[:-1]
    assert verify(tape) == []


def date_of(manifest: Manifest) -> str:
    (entry,) = manifest.files_of("depth")
    return entry.path.split("date=")[1].partition("/")[0]


def all_frames(tape: Tape) -> list[Frame]:
    return [frame for manifest in segments(tape) for frame in read_frames(tape, manifest)]


def ns(when: datetime) -> int:
    return int(when.timestamp()) * 1_000_000_000
