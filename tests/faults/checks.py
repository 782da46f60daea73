"""What must hold of every recording, whatever its venue went through."""

from __future__ import annotations

from collections import defaultdict

from replay import Replay
from replay.certificate import Outcome
from replay.certify import certify
from schemas.check_rows import Audit
from schemas.rows import Reject
from tape.verify import verify
from tests.faults.gaps import check_gaps
from tests.faults.scene import Evidence
from tests.recorder import plain


def check(evidence: Evidence) -> None:
    """Everything."""
    check_books(evidence)
    check_frames(evidence)
    check_tape(evidence)
    check_gaps(evidence)


def check_books(evidence: Evidence) -> None:
    """After every frame, each book was the venue's own or was nobody's."""
    assert evidence.watch.wrong == []
    assert evidence.watch.compared > 20
    rows = evidence.run.rows
    assert [row for row in rows if isinstance(row, Reject) and row.reason == "internal"] == []
    assert [row for row in rows if isinstance(row, Audit) and row.levels] == []


def check_frames(evidence: Evidence) -> None:
    """Byte for byte, in order, connection by connection, what the venue wrote to its sockets."""
    sent: defaultdict[int, list[bytes]] = defaultdict(list)
    for link, frame in evidence.venue.sent:
        sent[link].append(frame if isinstance(frame, bytes) else frame.encode())
    taped: defaultdict[int, list[bytes]] = defaultdict(list)
    links = evidence.watch.links
    assert len(set(links.values())) == len(links)
    lines = plain.frames(evidence.tape.root)
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    for line in lines:
        if line["kind"] in plain.MESSAGES:
            taped[links[line["conn"]]].append(line["payload"])
    for link, messages in sent.items():
        kept = taped[link]
        assert kept == messages[: len(kept)], f"connection {link}"
        if link not in evidence.stage.torn:
            assert len(kept) == len(messages), f"the end of connection {link} is missing"
    assert taped.keys() <= sent.keys()


def check_tape(evidence: Evidence) -> None:
    """Nothing can be said against the recording, and it replays exactly as it happened."""
    assert verify(evidence.tape) == []
    certificate = certify(evidence.tape)
    assert certificate.outcome is Outcome.CERTIFIED, str(certificate)
    played = list(Replay(evidence.tape.root).frames())
    assert [frame for frame, _ in played] == evidence.run.frames
    assert [row for _, rows in played for row in rows] == evidence.run.rows
