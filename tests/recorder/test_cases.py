"""When a topic that is quiet is looked at again, and what is learned of it in between."""

from __future__ import annotations

from market.engine import Engine
from recorder.asked import Asked
from recorder.cadences import CADENCES
from recorder.cases import Case, Witnesses
from recorder.intake import Intake
from recorder.questions import Questions
from recorder.rest import Rest
from recorder.snapshots import Snapshots
from recorder.traffic import Traffic
from recorder.vigil import LONGEST_S, QUIET_LONGEST
from schemas.frames import Frame, Kind, Moment
from tests.market.stamps import Stamper, depth_path, subscribe
from tests.recorder.market import SOL, bid

PATH = depth_path("SOL_USDC")


def test_no_topic_that_can_be_asked_about_stays_quiet_for_long_unasked() -> None:
    """A quarter of an hour for trades as for books; they may be quiet for five minutes."""
    for cadence in CADENCES.values():
        if cadence.patience is not None:
            case, pauses = Case(Moment(1, 1, 1), 1), []
            for case.looks in range(40):
                patience_ns = int(cadence.patience * 1e9)
                pauses.append(case.pause(patience_ns, QUIET_LONGEST, int(LONGEST_S * 1e9)))
            assert pauses == sorted(pauses)
            assert pauses[0] == patience_ns
            assert pauses[-1] == min(15 * patience_ns, max(patience_ns, 900_000_000_000))


def test_what_rest_has_told_somebody_else_is_heard() -> None:
    """A snapshot for an audit, say: the next question need not be waited for."""
    rest, stamper = Rest("http://venue", 1.0), Stamper()
    intake = Intake(lambda request: None)
    asked, traffic = Asked(1.0), Traffic()
    questions = Questions(rest, intake, Snapshots(rest, intake))
    witnesses = Witnesses(Engine(), traffic, asked, questions)
    asked.hear(stamper.frame(Kind.SENT, subscribe(SOL), conn=1), [])
    newest = stamper.data(bid(11))
    traffic.see(SOL, newest, [])

    def told(update_id: int) -> Frame:
        questions.hear(stamper.frame(Kind.REQUEST, topic=PATH), [])
        body = b'{"lastUpdateId":"%d","asks":[],"bids":[]}' % update_id
        frame = stamper.frame(Kind.REPLY, body, topic=PATH)
        questions.hear(frame, [])
        return frame

    case = Case(Moment(newest.seq, newest.ts_recv, newest.ts_mono), newest.ts_mono)
    witnesses.settle(SOL, asked.topics[SOL], case)
    for update_id in (11, 13):
        landed = told(update_id)
        witnesses.look(SOL, asked.topics[SOL], case)
        assert case.ahead == (None if update_id == 11 else landed.ts_mono)
    assert case.ahead_by == "REST is at id 13, the topic at 11"
