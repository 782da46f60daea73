"""What a metric is, and the text that Prometheus reads (its exposition format, version 0.0.4)."""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from recorder.histogram import Buckets
from recorder.watch import Watch

PREFIX = "backpack_recorder_"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[str, ...]  # the values, in the order of the names
Read = Callable[[Watch], Iterable[tuple[Labels, float | Buckets]]]


class Type(StrEnum):
    """What may be done with it."""

    COUNTER = "counter"  # only grows; look at its rate
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    """One line of a table of metrics. ``read`` is called in the event loop, so it only picks up
    what was counted; labels: their names."""

    type: Type
    name: str
    help: str
    read: Read
    labels: Labels = ()


class Reading(NamedTuple):
    """What a metric said at one moment."""

    metric: Metric
    samples: list[tuple[Labels, float | Buckets]]


def counter(name: str, help_: str, read: Read, *labels: str) -> Metric:
    """One whose name ends with ``_total``."""
    return Metric(Type.COUNTER, PREFIX + name, help_, read, labels)


def gauge(name: str, help_: str, read: Read, *labels: str) -> Metric:
    """One that may fall."""
    return Metric(Type.GAUGE, PREFIX + name, help_, read, labels)


def histogram(name: str, help_: str, read: Read, *labels: str) -> Metric:
    """One of spans, in seconds."""
    return Metric(Type.HISTOGRAM, PREFIX + name, help_, read, labels)


def one(read: Callable[[Watch], float | Buckets | None]) -> Read:
    """The only sample of a metric without labels; None: there is none now."""

    def samples(watch: Watch) -> Iterator[tuple[Labels, float | Buckets]]:
        value = read(watch)
        if value is not None:
            yield (), value

    return samples


def expose(readings: Iterable[Reading]) -> str:
    """All of it as text."""
    return "".join(f"{line}\n" for reading in readings for line in _lines(reading))


def _lines(reading: Reading) -> Iterator[str]:
    metric = reading.metric
    yield f"# HELP {metric.name} {_escaped(metric.help)}"
    yield f"# TYPE {metric.name} {metric.type}"
    for values, value in reading.samples:
        labels = dict(zip(metric.labels, values, strict=True))
        if isinstance(value, Buckets):
            yield from _bucket_lines(metric.name, labels, value)
        else:
            yield _line(metric.name, labels, value)


def _bucket_lines(name: str, labels: dict[str, str], buckets: Buckets) -> Iterator[str]:
    bounds = [f"{bound / 1e9:g}" for bound in buckets.bounds_ns]
    for bound, count in zip([*bounds, "+Inf"], buckets.counts, strict=True):
        yield _line(f"{name}_bucket", {**labels, "le": bound}, count)
    yield _line(f"{name}_sum", labels, buckets.sum_ns / 1e9)
    yield _line(f"{name}_count", labels, buckets.counts[-1])


def _line(name: str, labels: dict[str, str], value: float) -> str:
    inside = ",".join(f'{key}="{_escaped(text, quoted=True)}"' for key, text in labels.items())
    number = repr(+value)  # of a bool too
    return f"{name}{{{inside}}} {number}" if inside else f"{name} {number}"


def _escaped(text: str, quoted: bool = False) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quoted else text
