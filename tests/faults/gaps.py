"""Do the gap rows tell exactly what happened? By the venue's own log, and dumber than the engine.

``Arrived`` is a frame with ids that the recorder has got as the venue made it; all that the venue
made otherwise never arrived, whatever became of it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any, NamedTuple

from schemas.rows import Depth, Gap, Row
from tests.faults.scene import Evidence
from tests.faults.truth import Emitted
from tests.recorder import plain

LEAP = 100_000  # more ids than this are missing only where the venue has renumbered everything


class Arrived(NamedTuple):
    """A frame on the tape that is one the venue made."""

    seq: int
    conn: int
    made: Emitted


class Story:
    """What the tape and the venue's log say of the streams with ids.

    frames: lines of the tape by seq. arrived: by topic. rows: gap rows, all others left out.
    joined: by topic, seq and update id of each snapshot that became a book.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.frames = {line["seq"]: line for line in plain.frames(evidence.tape.root)}
        self.made: defaultdict[str, list[Emitted]] = defaultdict(list)
        for made in evidence.stage.truth.emitted:
            self.made[made.topic].append(made)
        self.arrived = self._arrived(evidence.stage.truth.emitted)
        self.rows = [row for row in evidence.run.rows if isinstance(row, Gap)]
        self.joined = joins(evidence.run.rows)

    def of(self, topic: str | None) -> list[Gap]:
        """Gap rows of a topic."""
        return [row for row in self.rows if row.topic == topic]

    def until(self, row: Gap) -> int:
        """Seq of the frame that ended a gap: the row's own, or the snapshot that had joined."""
        joined = self.joined[row.topic or ""]
        if row.state != "resynced" or row.seq in joined:
            return row.seq
        return max(seq for seq in joined if seq < row.seq)

    def _arrived(self, emitted: list[Emitted]) -> defaultdict[str, list[Arrived]]:
        known = {made.text: made for made in emitted}
        found: defaultdict[str, list[Arrived]] = defaultdict(list)
        for seq, line in self.frames.items():
            made = known.get(line["payload"].decode(errors="replace"))
            if line["kind"] == "data" and made is not None:
                found[made.topic].append(Arrived(seq, line["conn"], made))
        return found


def joins(rows: list[Row]) -> defaultdict[str, dict[int, int]]:
    """Update id by seq, by topic."""
    found: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for row in rows:
        if isinstance(row, Depth) and row.action == "snapshot":
            topic = ".".join(part for part in ("depth", row.window, row.symbol) if part)
            found[topic][row.seq] = row.last_update_id or 0
    return found


def check_gaps(evidence: Evidence) -> None:
    """Nothing is missing that no row tells, and no row tells what did not happen."""
    story = Story(evidence)
    for topic in story.made:
        assert _untold(story, topic) == [], f"{topic}: missing, and no gap row says so"
        for row in story.of(topic):
            _as_it_was(story, row)
            if row.state == "healed":
                _healed(story, row)
            elif row.received_id is not None and row.seq not in story.joined[topic]:
                _ids_as_they_were(story, row)
        if topic.startswith("depth."):
            _ended(story, topic)
        else:
            assert {row.state for row in story.of(topic)} <= {"open", "healed"}
    assert {row.topic for row in story.rows} <= {None, *story.made}
    _connections(story)


def _untold(story: Story, topic: str) -> list[Emitted]:
    """Frames that did not come, between the first and the last that did, and that no row tells."""
    made, arrived = story.made[topic], {got.made for got in story.arrived[topic]}
    places = [n for n, one in enumerate(made) if one in arrived]
    between = made[places[0] : places[-1]] if places else []
    rows = story.of(topic)
    return [
        o for o in between if o not in arrived and not any(_tells(story, row, o) for row in rows)
    ]


def _tells(story: Story, row: Gap, lost: Emitted) -> bool:
    """Whether a frame belongs to a gap: ids that a snapshot made up for count as well, and where
    the numbering went back all that was made between what came before and what came then."""
    if row.cause == "ids_backwards" and row.topic is not None:
        made, arrived = story.made[row.topic], story.arrived[row.topic]
        before = [made.index(got.made) for got in arrived if got.seq < row.seq]
        now = [made.index(got.made) for got in arrived if got.seq == row.seq]
        return bool(before and now) and max(before) < made.index(lost) < now[0]
    if row.expected_id is None or lost.last < row.expected_id:
        return False
    until = max(row.expected_id + 1, row.received_id or 0, (row.resync_id or 0) + 1)
    return lost.first < until


def _as_it_was(story: Story, row: Gap) -> None:
    """Bounds and times of one row."""
    frames, since = story.frames, story.frames[row.since_seq]
    assert row.since_seq < row.seq
    assert row.ts_since == since["ts_recv"].value
    assert row.ts_recv == frames[row.seq]["ts_recv"].value
    is_book = row.topic is None or row.topic.startswith("depth.")
    until = story.until(row)
    if row.state == "open" and is_book:
        assert (row.ts_until, row.lasted_ns, row.resync_id) == (None, None, None)
    else:
        assert row.ts_until == frames[until]["ts_recv"].value
        assert row.lasted_ns == frames[until]["ts_mono"] - since["ts_mono"]


def _ids_as_they_were(story: Story, row: Gap) -> None:
    """What came, came with this frame; what is said to be missing was there and had not come."""
    assert row.expected_id is not None
    assert row.received_id is not None
    assert row.topic is not None
    before = [got for got in story.arrived[row.topic] if got.seq < row.seq]
    (now,) = [got for got in story.arrived[row.topic] if got.seq == row.seq]
    assert row.received_id == now.made.first
    missing = row.received_id - row.expected_id
    if row.cause == "ids_backwards":
        assert missing < 0
        assert row.missing is None
        return
    assert row.missing == missing > 0
    assert row.cause == _cause(row.topic, _newest(row, before), now)
    claimed = range(row.expected_id, row.received_id)
    if missing < LEAP:
        assert not [got for got in before if got.made.last in claimed], "it had come already"
        ids = {i for one in story.made[row.topic] for i in range(one.first, one.last + 1)}
        assert ids.issuperset(claimed), "it never was"


def _healed(story: Story, row: Gap) -> None:
    """All that was missing has come, the last of it with this frame."""
    assert row.topic is not None
    assert row.expected_id is not None
    assert row.received_id is not None
    came = {got.made.first: got.seq for got in story.arrived[row.topic] if got.seq <= row.seq}
    late = [came[missed] for missed in range(row.expected_id, row.received_id)]
    assert max(late) == row.seq


def _newest(row: Gap, before: list[Arrived]) -> Arrived | None:
    """Of what came before a gap; trades that came late are not."""
    is_trade = row.topic is not None and row.topic.startswith("trade.")
    newest = [got for got in before if not is_trade or got.seq == row.since_seq]
    return newest[-1] if newest else None


def _cause(topic: str, before: Arrived | None, now: Arrived) -> str:
    if before is not None and before.conn != now.conn:
        return "disconnect"
    return "depth_ids" if topic.startswith("depth.") else "trade_ids"


def _ended(story: Story, topic: str) -> None:
    """The gaps of a book end with the next snapshot that joins. Where one had joined before the gap
    showed, which is so after an outage, it is over when it shows."""
    joined, shown = story.joined[topic], list[Gap]()
    for seq in sorted({*joined, *(row.seq for row in story.of(topic))}):
        rows = [row for row in story.of(topic) if row.seq == seq]
        if seq not in joined:
            over = [row for row in rows if row.state != "open"]
            assert not (over and shown)
            assert all(row.resync_id == joined[story.until(row)] for row in over)
            shown += [row for row in rows if row.state == "open"]
        elif shown:
            (end,) = rows
            _ends(end, shown, joined[seq])
            shown = []
        else:
            assert rows == [], "nothing was open"


def _ends(end: Gap, shown: list[Gap], snapshot: int) -> None:
    """One row ends all that were shown since the book was lost."""
    first = shown[0]
    assert {row.since_seq for row in shown} == {end.since_seq}
    assert (end.state, end.resync_id) == ("resynced", snapshot)
    for name in ("cause", "expected_id", "received_id", "ts_since", "ts_engine_since"):
        assert getattr(end, name) == getattr(first, name), name
    known = [row.missing for row in shown if row.missing is not None]
    assert end.missing == (sum(known) if known else None)


def _connections(story: Story) -> None:
    """No connection: from each close to the open after it; the last was the recorder's own."""
    expected: list[Any] = []
    for line in story.frames.values():
        if line["kind"] == "close" and not json.loads(line["payload"])["stopped"]:
            expected.append((line["seq"], "disconnect", "open"))
        elif line["kind"] == "open" and expected:
            expected.append((line["seq"], "disconnect", "resumed"))
    assert [(row.seq, row.cause, row.state) for row in story.of(None)] == expected
