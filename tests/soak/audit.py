"""Whether a recording has what the venue has sent: every frame once, or a reason why not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from tests.soak.faults import Event
from tests.soak.journal import RECORD, TOPIC_SHIFT, pattern

IN_FLIGHT_S = 3.0  # what was on its way when a connection died may be lost with it
DEADLY = frozenset({"cut", "deaf", "stall", "close"})

Keys = NDArray[np.int64]


class Verdict(NamedTuple):
    """Frames by what became of them.

    taped: on the tape once. unheard: the venue gave them to nobody. in_flight: the connections that
    had them died just then. healed: trades that came by REST. shed: dropped as the recorder did not
    keep up, which it has counted by topic. unexplained: given to somebody, and neither on the tape
    nor any of these. twice: more often on the tape than sent. foreign: on the tape, never sent.
    unmarked: of depth and trades, not on the tape and in no gap row.
    """

    sent: int
    taped: int
    unheard: int
    in_flight: int
    healed: int
    shed: int
    unexplained: int
    twice: int
    foreign: int
    unmarked: int

    @property
    def is_good(self) -> bool:
        """Whether all is as it should be."""
        return not (self.unexplained or self.twice or self.foreign or self.unmarked)


class Sent(NamedTuple):
    """What the venue says: the file of its log, its topics by number, what went wrong, its pace."""

    path: Path
    topics: Sequence[str]
    events: Sequence[Event]
    rate: float


def audit(data: Path, sent: Sent) -> Verdict:
    """Compare a finished recording with the venue's log."""
    log = np.fromfile(sent.path, RECORD)
    keys: Keys = log["key"].astype(np.int64)
    taped = _taped(data, sent.topics)
    there, often = np.unique(taped, return_counts=True)
    missing = ~np.isin(keys, there)
    rows = log[missing]
    unheard = rows["links"] == 0
    in_flight = ~unheard & _in_flight(np.flatnonzero(missing), rows, sent)
    lost = keys[missing]
    healed = np.isin(lost, _healed(data, sent.topics))
    shed = _shed(data, lost[~unheard & ~in_flight & ~healed], sent.topics)
    followed = _is_followed(lost, sent.topics)
    marked = _marked(data, lost, sent.topics)
    return Verdict(
        sent=len(keys),
        taped=int(np.isin(keys, there).sum()),
        unheard=int((unheard & ~healed).sum()),
        in_flight=int((in_flight & ~healed).sum()),
        healed=int(healed.sum()),
        shed=shed,
        unexplained=int((~unheard & ~in_flight & ~healed).sum()) - shed,
        twice=int((often - 1).sum()),
        foreign=int((~np.isin(there, keys)).sum()),
        unmarked=int((followed & ~marked & ~healed).sum()),
    )


def _taped(data: Path, topics: Sequence[str]) -> Keys:
    """Keys of all messages on the tape."""
    frames = ds.dataset(data / "frames", partitioning="hive")
    columns = ["topic", "payload"]
    batches = frames.to_batches(columns=columns, filter=ds.field("kind") == "data")
    parts = [keys for batch in batches for keys in _keys(batch, topics)]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _keys(batch: Any, topics: Sequence[str]) -> Iterator[Keys]:
    """Channel by channel, as each is known by another number."""
    names = batch["topic"].cast(pa.string())
    numbers = pc.index_in(names, value_set=pa.array(topics))
    payloads = batch["payload"].cast(pa.string())
    channels = pc.list_element(pc.split_pattern(names, ".", max_splits=1), 0)
    for channel in pc.unique(channels).to_pylist():
        mine = pc.equal(channels, channel)
        regex = pattern(channel).pattern.replace("(", "(?P<number>", 1)
        found = pc.extract_regex(payloads.filter(mine), regex).field("number")
        base = numbers.filter(mine).to_numpy(zero_copy_only=False).astype(np.int64) << TOPIC_SHIFT
        yield base + found.cast(pa.int64()).to_numpy(zero_copy_only=False)


def _in_flight(positions: NDArray[np.int64], rows: Any, sent: Sent) -> NDArray[np.bool_]:
    """Whether as many of the connections that had a frame as there were died soon after it."""
    soon = int(IN_FLIGHT_S * sent.rate)
    result = np.zeros(len(positions), bool)
    deaths = [event for event in sent.events if event.kind in DEADLY]
    for at, (position, row) in enumerate(zip(positions, rows, strict=True)):
        near = {event.conn for event in deaths if position <= event.position <= position + soon}
        result[at] = row["conn"] in near if row["links"] == 1 else len(near) >= row["links"]
    return result


def _healed(data: Path, topics: Sequence[str]) -> Keys:
    """Keys of trades that came by REST."""
    if not (data / "rows" / "trade").is_dir():
        return np.empty(0, np.int64)
    trades = ds.dataset(data / "rows" / "trade", partitioning="hive")
    table = trades.to_table(columns=["symbol", "trade_id"], filter=ds.field("source") == "rest")
    numbers = {topic: number for number, topic in enumerate(topics)}
    symbols = [numbers[f"trade.{symbol}"] for symbol in table["symbol"].to_pylist()]
    ids: Keys = table["trade_id"].to_numpy()
    return (np.array(symbols, np.int64) << TOPIC_SHIFT) + ids


def _shed(data: Path, keys: Keys, topics: Sequence[str]) -> int:
    """How many of these the recorder says it has dropped: of no topic more than it says."""
    if not (data / "rows" / "gap").is_dir():
        return 0
    gaps = ds.dataset(data / "rows" / "gap")
    table = gaps.to_table(["topic", "missing"], filter=ds.field("cause") == "load_frames")
    said = table.group_by("topic").aggregate([("missing", "sum")]).to_pylist()
    dropped = {row["topic"]: row["missing_sum"] for row in said}
    numbers, counts = np.unique(keys >> TOPIC_SHIFT, return_counts=True)
    return sum(
        min(int(count), dropped.get(topics[number], 0))
        for number, count in zip(numbers, counts, strict=True)
    )


def _is_followed(keys: Keys, topics: Sequence[str]) -> NDArray[np.bool_]:
    """Whether nobody can lose these unseen: depth and trades, whose ids follow one another."""
    followed = np.array([topic.startswith(("depth.", "trade.")) for topic in topics])
    result: NDArray[np.bool_] = followed[keys >> TOPIC_SHIFT]
    return result


def _marked(data: Path, keys: Keys, topics: Sequence[str]) -> NDArray[np.bool_]:
    """Whether a gap row has the id of a frame in it."""
    result = np.zeros(len(keys), bool)
    if not (data / "rows" / "gap").is_dir():
        return result
    numbers = {topic: number for number, topic in enumerate(topics)}
    columns = ["topic", "expected_id", "received_id"]
    table = ds.dataset(data / "rows" / "gap").to_table(columns=columns)
    for row in table.to_pylist():
        number = numbers.get(row["topic"])
        if number is not None and None not in (row["expected_id"], row["received_id"]):
            base = number << TOPIC_SHIFT
            first, last = base + row["expected_id"], base + row["received_id"]
            result |= (keys >= first) & (keys < last)
    return result
