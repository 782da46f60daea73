"""Metrics of topics that say nothing."""

from collections.abc import Iterator

from recorder.metric import Labels, Metric, counter, gauge
from recorder.silences import ENDED, LOST
from recorder.vigil import AGAIN, RECONNECT
from recorder.watch import Watch
from schemas.frames import Judgement

Counts = Iterator[tuple[Labels, float]]

GOING_ON = tuple(verdict.value for verdict in Judgement if verdict.value not in ENDED)


def _now(watch: Watch) -> Counts:
    counts = watch.recorder.tally.silences.now
    for verdict in GOING_ON:
        yield (verdict,), counts[verdict]


def _so_far(watch: Watch) -> Counts:
    for verdict in GOING_ON:
        yield (verdict,), watch.recorder.tally.silences.verdicts[verdict]


def _topics(watch: Watch) -> Counts:
    for verdict in LOST:
        for topic in watch.recorder.tally.silences.of(verdict):
            yield (topic, verdict), 1


def _actions(watch: Watch) -> Counts:
    for action in (AGAIN, RECONNECT):
        yield (action,), watch.recorder.tally.silences.actions[action]


SILENCES: tuple[Metric, ...] = (
    gauge(
        "topics_silent",
        "Topics that say nothing for longer than their channel may, by what they are taken for, as"
        " in the recording's table silence. quiet: the venue has nothing to say; dead: it has.",
        *(_now, "verdict"),
    ),
    gauge(
        "topic_silent",
        "1 for each topic that is dead, or whose market is not there or closed.",
        *(_topics, "topic", "verdict"),
    ),
    counter(
        "silences_total",
        "Silences that were of a verdict at some time; a topic that is dead twice counts twice.",
        *(_so_far, "verdict"),
    ),
    counter(
        "silence_actions_total",
        "What was done about topics that are dead, once for each of them.",
        *(_actions, "action"),
    ),
)
