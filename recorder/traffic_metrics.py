"""Metrics of what comes in, and of the connection it comes by."""

from collections.abc import Iterator

from recorder.histogram import Buckets
from recorder.metric import Labels, Metric, counter, gauge, histogram, one
from recorder.watch import Watch
from schemas.frames import Kind

Counts = Iterator[tuple[Labels, float]]


def _frames(watch: Watch) -> Counts:
    for name, channel in watch.recorder.tally.traffic.channels().items():
        yield (name,), channel.frames


def _bytes(watch: Watch) -> Counts:
    for name, channel in watch.recorder.tally.traffic.channels().items():
        yield (name,), channel.bytes


def _lags(watch: Watch) -> Iterator[tuple[Labels, Buckets]]:
    for name, channel in watch.recorder.tally.traffic.channels().items():
        yield (name,), channel.lag.buckets


def _ages(watch: Watch) -> Counts:
    now = watch.recorder.intake.clock().ts_recv
    for name in watch.recorder.topics:
        if last := watch.recorder.tally.last(name):
            yield (name,), max(now - last, 0) / 1e9


def _silence(watch: Watch) -> float | None:
    return None if watch.paused else watch.silent_ns / 1e9


def _unheard(watch: Watch) -> int:
    return sum(not watch.recorder.tally.last(name) for name in watch.recorder.topics)


def _rejects(watch: Watch) -> Counts:
    for reason in _REASONS:
        yield (reason,), watch.recorder.tally.rejects[reason]


def _event(kind: Kind) -> Metric:
    name, help_ = _EVENTS[kind]
    return counter(name, help_, one(lambda watch: watch.recorder.tally.events[kind.value]))


_REASONS = ("not_json", "no_stream", "bad_field", "inexact", "bad_reply", "binary", "internal")
_EVENTS = {
    Kind.OPEN: (
        "connections_total",
        "Websocket connections opened since the start; each one after the first is a reconnect.",
    ),
    Kind.CLOSE: ("disconnects_total", "Websocket connections that ended since the start."),
    Kind.REQUEST: ("rest_requests_total", "REST requests for market lists and snapshots."),
    Kind.FAILED: ("rest_failures_total", "Those that failed: refused, timed out, cut off."),
}

TRAFFIC: tuple[Metric, ...] = (
    counter(
        "frames_total",
        "Messages of the venue taken, by channel; other: of no stream, or one we do not know.",
        *(_frames, "channel"),
    ),
    counter("frame_bytes_total", "Bytes of their payloads, uncompressed.", _bytes, "channel"),
    histogram(
        "lag_seconds",
        "Age of messages when they were read off the socket: receive time less E, the venue's send"
        " time, corrected by backpack_recorder_clock_offset_seconds once that is known.",
        *(_lags, "channel"),
    ),
    gauge(
        "silence_seconds",
        "Since the last message of any topic, the start, or a change of what is recorded; none"
        " while paused.",
        one(_silence),
    ),
    gauge(
        "paused",
        "1 while nothing is subscribed since bp-record ctl pause was given, else 0.",
        one(lambda watch: watch.paused),
    ),
    gauge(
        "account_topics_refused",
        "Topics of an account that the venue refuses, or that no key could be read for; they are"
        " asked for again.",
        one(lambda watch: len(watch.recorder.account.refused)),
    ),
    gauge(
        "topic_last_frame_age_seconds",
        "Since the last message of a topic that was heard of; quiet markets are silent for long.",
        *(_ages, "topic"),
    ),
    gauge("topics", "Topics that are recorded.", one(lambda watch: len(watch.recorder.topics))),
    gauge("topics_unheard", "Topics recorded of which nothing came so far.", one(_unheard)),
    counter(
        "unknown_frames_total",
        "Messages of streams or events that we do not know, kept raw; since the segment began.",
        one(lambda watch: watch.recorder.intake.engine.unknown.total()),
    ),
    counter(
        "repeats_total",
        "Depth and trade messages ignored as their ids were seen before; since the segment began.",
        one(lambda watch: watch.recorder.intake.engine.repeats),
    ),
    counter(
        "rejects_total",
        "Messages that could not be made into rows, by reason; they are kept. internal: a fault of"
        " this program, please report it.",
        *(_rejects, "reason"),
    ),
    counter(
        "error_replies_total",
        "Errors that the venue answered with, such as for a topic that it refuses.",
        one(lambda watch: watch.recorder.tally.errors),
    ),
    *map(_event, _EVENTS),
    gauge(
        "snapshots_waiting",
        "Order book snapshots asked for that have not come.",
        one(lambda watch: watch.recorder.snapshots.waiting if watch.recorder.snapshots else 0),
    ),
)
