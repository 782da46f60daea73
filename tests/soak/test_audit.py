"""The soak's own judgement: what it would say of a recorder that loses, doubles or invents."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from schemas.topics import Topic
from tape.layout import Tape
from tape.reader import read_frames, segments
from tests.simulate import Plan, simulate
from tests.soak.audit import Sent, Verdict, audit
from tests.soak.faults import Event
from tests.soak.journal import SentLog
from tests.soak.usage import Look, drift
from tests.tapes import Recording

RATE = 100.0
PLAYED = {"depth", "bookTicker", "trade", "ticker", "markPrice"}
Frames = list[tuple[str, str]]  # topics and texts


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Tape:
    """Two seconds of the topics that a soak plays."""
    plan = Plan(seed=3, seconds=2)
    session, recording = simulate(plan), Recording(tmp_path_factory.mktemp("soak") / "tape")
    recording.wall = plan.start_ns
    recording.begin()
    recording.connect()
    for symbol, body in session.snapshots.items():
        recording.snapshot(symbol, body)
    for frame in session.frames:
        if Topic.parse(_topic(frame.text)).channel in PLAYED:
            recording.pass_(max(frame.ts_ns - recording.wall, 0))
            recording.data(frame.text)
    recording.stop()
    return recording.tape


def _topic(text: str) -> str:
    return text.rpartition('"stream":"')[2].removesuffix('"}')


@pytest.fixture(scope="module")
def taped(tape: Tape) -> Frames:
    """What is on the tape."""
    frames = [frame for one in segments(tape) for frame in read_frames(tape, one)]
    texts = [frame.payload.decode() for frame in frames if frame.kind == "data"]
    return [(_topic(text), text) for text in texts]


Judge = Callable[..., Verdict]


@pytest.fixture
def judge(tape: Tape, taped: Frames, tmp_path: Path) -> Judge:
    """The verdict where the venue says that it sent these."""
    topics = sorted({topic for topic, _ in taped})

    def judged(
        sent: Frames, links: Sequence[Sequence[int]], events: Sequence[Event] = ()
    ) -> Verdict:
        log = SentLog(tmp_path / "sent.bin", topics)
        log.note(sent, links)
        log.close()
        return audit(tape.root, Sent(tmp_path / "sent.bin", topics, events, RATE))

    return judged


def _later(taped: Frames, channel: str) -> tuple[str, str]:
    """One more message of a channel, which is not on the tape: ids of a soak are never so high."""
    topic, text = next(item for item in taped if Topic.parse(item[0]).channel == channel)
    name = {"depth": "u", "bookTicker": "u", "trade": "t"}.get(channel, "E")
    head, _, tail = text.partition(f'"{name}":')
    digits = len(tail) - len(tail.lstrip("0123456789"))
    return topic, f'{head}"{name}":4000000000000000{tail[digits:]}'


def test_what_is_all_there_is_good(judge: Judge, taped: Frames) -> None:
    verdict = judge(taped, [[1, 2]] * len(taped))
    assert verdict.is_good
    assert verdict.sent == verdict.taped == len(taped)


@pytest.mark.parametrize("channel", ["depth", "trade", "bookTicker", "ticker"])
def test_what_somebody_got_and_is_not_there_is_unexplained(
    judge: Judge, taped: Frames, channel: str
) -> None:
    verdict = judge([*taped, _later(taped, channel)], [[1, 2]] * len(taped) + [[2]])
    assert verdict.unexplained == 1
    assert verdict.unmarked == (channel in ("depth", "trade")), "nor does a gap row tell of it"
    assert not verdict.is_good


def test_what_nobody_got_is_explained_but_not_where_ids_should_tell(
    judge: Judge, taped: Frames
) -> None:
    links: list[list[int]] = [[1]] * len(taped)
    assert judge([*taped, _later(taped, "ticker")], [*links, []]).is_good
    verdict = judge([*taped, _later(taped, "depth")], [*links, []])
    assert (verdict.unheard, verdict.unmarked, verdict.is_good) == (1, 1, False)


def test_what_was_on_its_way_when_its_connection_died(judge: Judge, taped: Frames) -> None:
    sent, links = [*taped, _later(taped, "ticker")], [[1]] * len(taped) + [[7]]
    assert judge(sent, links, [Event(len(taped) + 50, "cut", 7)]).in_flight == 1
    assert judge(sent, links, [Event(len(taped) + 50, "cut", 8)]).unexplained == 1
    assert judge(sent, links, [Event(len(taped) + 500, "cut", 7)]).unexplained == 1
    assert judge(sent, links, [Event(len(taped) + 50, "rest", 7)]).unexplained == 1


def test_what_was_never_sent_is_foreign(judge: Judge, taped: Frames) -> None:
    verdict = judge(taped[1:], [[1]] * (len(taped) - 1))
    assert (verdict.foreign, verdict.is_good) == (1, False)


def test_memory_is_compared_minute_by_minute_after_the_warm_up() -> None:
    sizes = [100, 200, 300, 310, 290, 330]  # one for each half minute
    grown = drift([Look(30.0 * at, size, 0.0) for at, size in enumerate(sizes)], 60.0)
    assert grown is not None
    assert grown == (305.0, 310.0, 310.0)
    assert drift([Look(10.0, 1, 0.0)], 60.0) is None
