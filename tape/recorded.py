"""What streams a recording is of."""

from collections.abc import Iterable, Sequence

from schemas.rows import Depth
from schemas.topics import Topic, depth_topic
from tape.glance import Shelf
from tape.manifest import Manifest
from tape.pool import Counts, union


def recorded_topics(segments: Sequence[Manifest]) -> list[str]:
    """Streams that were recorded, sorted."""
    packed = [segment.topics for segment in segments if isinstance(segment.topics, Counts)]
    plain = [segment.topics for segment in segments if not isinstance(segment.topics, Counts)]
    topics = union(topics.names for topics in packed).union(*plain) - {""}
    books = symbols_in(segments, Depth.TABLE)
    # A book that never changed has a snapshot, and no frame on its stream.
    return sorted(topics | {depth_topic(symbol) for symbol in books - depth_markets(topics)})


def symbols_in(segments: Iterable[Manifest], table: str) -> set[str]:
    """Markets with rows of a table in any of some segments."""
    kinds, found = [], set[str]()
    for segment in segments:
        if isinstance(segment.files, Shelf):
            kinds.append(segment.files.glance.kinds)
        else:
            found |= {entry.symbol for entry in segment.files_of(table) if entry.symbol}
    begins = f"{table}/"
    return found | {kind.removeprefix(begins) for kind in union(kinds) if kind.startswith(begins)}


def depth_markets(topics: Iterable[str]) -> set[str]:
    """Symbols of all depth streams."""
    return {topic.symbol for topic in map(Topic.parse, topics) if topic.channel == "depth"}
