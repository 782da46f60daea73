"""Where the reference goes wrong (protocol section 8), what our recorder does instead.

The numbers are those of the section; what is about the engine is in tests/market/test_reference.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.settings import PATIENCE
from schemas.frames import Kind
from tests.recorder import plain
from tests.recorder.market import SNAPSHOTS, SOL, bid
from tests.recorder.runs import Played, play, running, truth
from tests.venue import Send, Stall, Venue, WaitSubscribed
from tests.venue.link import cue_of

REFUSED = '{"id":null,"error":{"code":4006,"message":"Invalid stream"}}'


async def whole(folder: Path) -> None:
    """A book, an error frame in its midst, a topic let go of and frames of it that come late."""
    far_end = Venue([WaitSubscribed(SOL), Send(bid(11))], snapshots=SNAPSHOTS)
    async with far_end, running(far_end, folder, SOL) as run:
        await run.until(lambda: run.is_live(SOL))
        far_end.force(REFUSED)
        far_end.post([cue_of(bid(12))])
        await run.until(lambda: run.last_id("SOL_USDC") == 12)
        assert run.sides("SOL_USDC") == truth(far_end.truth.book("SOL_USDC"))
        assert await run.recorder.unsubscribe([SOL]) == [SOL]
        await far_end.until(lambda: not far_end.connections[-1].topics)
        asked = len(run.kinds(Kind.REQUEST))
        before = len(run.payloads)
        for number in range(13, 40):
            far_end.force(bid(number))
        await run.heard(before + 27)
        assert run.sides("SOL_USDC") is None
        assert len(run.kinds(Kind.REQUEST)) == asked, "somebody wants a snapshot of a ghost"
        assert run.recorder.intake.engine.late[SOL] == 27


async def dead(folder: Path) -> None:
    """A link that takes all and gives nothing back."""
    script = [WaitSubscribed(SOL), Send(bid(11)), Stall(deaf=True), WaitSubscribed(SOL)]
    patience = PATIENCE._replace(ping=0.05, pong=0.1)
    far_end = Venue(script, snapshots=SNAPSHOTS)
    async with far_end, running(far_end, folder, SOL, patience=patience) as run:
        await far_end.finished()
        assert run.recorder.links is not None
        assert run.recorder.links.newest == 2


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played[None]:
    """Both scenes at once."""
    return play(tmp_path_factory.mktemp("reference"), {"whole": whole, "dead": dead})


def test_07_the_deepest_snapshot_is_asked_for_and_taped(played: Played[None]) -> None:
    played.outcome("whole")
    paths = {row["topic"] for row in plain.frames(played.folder("whole"), "request")}
    assert "/api/v1/depth?symbol=SOL_USDC" in paths
    assert not [path for path in paths if "limit" in path]


def test_19_an_error_frame_stops_no_stream(played: Played[None]) -> None:
    """The scene saw the book go on; the frame is on the tape as it came."""
    played.outcome("whole")
    assert REFUSED.encode() in plain.payloads(played.folder("whole"))


def test_20_frames_after_unsubscribing_make_no_ghost(played: Played[None]) -> None:
    """They are kept, and mean nothing."""
    played.outcome("whole")
    folder = played.folder("whole")
    assert {manifest["verdict"] for manifest in plain.manifests(folder)} == {"certified"}
    assert plain.table(folder, "depth")[-1]["action"] == "clear"
    assert len([p for p in plain.payloads(folder) if b'"depth"' in p]) == 2 + 27


def test_23_a_dead_link_is_left_before_the_venue_would_tell(played: Played[None]) -> None:
    played.outcome("dead")
    closed = plain.frames(played.folder("dead"), "close")
    assert b"keepalive" in closed[0]["payload"]
    assert PATIENCE.ping + PATIENCE.pong < 60, "the venue pings each 60 s"
