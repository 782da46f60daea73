"""What streams a recording is of."""

from collections.abc import Iterable, Sequence

from schemas.rows import Depth
from schemas.topics import Topic, depth_topic
from tape.manifest import Manifest


def recorded_topics(segments: Sequence[Manifest]) -> list[str]:
    """Streams that were recorded, sorted."""
    topics = {topic for segment in segments for topic in segment.topics if topic}
    books = {symbol for segment in segments for symbol in segment.symbols(Depth.TABLE)}
    # A book that never changed has a snapshot, and no frame on its stream.
    return sorted(topics | {depth_topic(symbol) for symbol in books - depth_markets(topics)})


def depth_markets(topics: Iterable[str]) -> set[str]:
    """Symbols of all depth streams."""
    return {topic.symbol for topic in map(Topic.parse, topics) if topic.channel == "depth"}
