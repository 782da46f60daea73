"""Metrics of overload: what is shed."""

from collections.abc import Iterator

from recorder.metric import Labels, Metric, counter, gauge, one
from recorder.watch import Watch
from schemas.shedding import Level

Counts = Iterator[tuple[Labels, float]]


def _frames(watch: Watch) -> Counts:
    intake = watch.recorder.intake
    for level in list(Level)[1:]:
        yield ("rows", str(level.value)), intake.engine.load.skips_at[level]
        if level > Level.NO_ROWS:
            yield ("frames", str(level.value)), intake.shedding.frames[level]


def _bytes(watch: Watch) -> Counts:
    for level in list(Level)[Level.NO_ROWS + 1 :]:
        yield (str(level.value),), watch.recorder.intake.shedding.bytes[level]


LOAD: tuple[Metric, ...] = (
    gauge(
        "load_level",
        "How much is shed as the recorder does not keep up: 0: nothing; 1, 2, 3: no rows of tickers"
        " and the like, of quotes, of depth and trades; 4, 5, 6: nor are those frames kept.",
        one(lambda watch: watch.recorder.intake.shedding.level),
    ),
    counter(
        "load_shed_frames_total",
        "Messages shed for that, by level. rows: kept, and no rows were made; frames: lost.",
        *(_frames, "what", "level"),
    ),
    counter("load_shed_bytes_total", "Bytes of those that were lost.", _bytes, "level"),
)
