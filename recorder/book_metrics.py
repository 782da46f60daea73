"""Metrics of the order books, and of what is missing."""

from collections import Counter
from collections.abc import Iterator, Mapping

from market.sync_states import State
from recorder.holes import EVERY_STREAM
from recorder.metric import Labels, Metric, counter, gauge, one
from recorder.traffic import OTHER
from recorder.watch import Watch

Counts = Iterator[tuple[Labels, float]]

NUMBERED = frozenset(("depth", "trade"))  # channels with ids, so that what is missing shows
CAUSES = (
    *("depth_ids", "trade_ids", "ids_backwards", "disconnect", "unreadable", "audit", "loss"),
    *("load", "load_frames", "load_rows"),
)


def _states(watch: Watch) -> Counts:
    for name, stands in watch.books().items():
        for state in State:
            yield (name, state.value), float(state is stands)


def _absences(watch: Watch) -> Counts:
    for name, span_ns in watch.without_books().items():
        yield (name,), span_ns / 1e9


def _gaps(watch: Watch) -> Counts:
    return _by_topic(watch, watch.recorder.tally.gaps)


def _open_gaps(watch: Watch) -> Counts:
    return _by_topic(watch, watch.recorder.tally.holes.open)


def _mismatches(watch: Watch) -> Counts:
    return _by_topic(watch, watch.recorder.tally.mismatches)


def _causes(watch: Watch) -> Counts:
    for cause in CAUSES:
        yield (cause,), watch.recorder.tally.holes.causes[cause]


def _by_topic(watch: Watch, counts: Mapping[str, int]) -> Counts:
    """All that can be told from the start, so that the first one is a rise from 0; what nobody has
    asked for together, as a venue may send any name."""
    told = Counter(dict.fromkeys((*watch.topics(NUMBERED), EVERY_STREAM), 0))
    for name, count in counts.items():
        told[name if name in told else OTHER] += count
    for name, count in told.items():
        yield (name,), count


BOOKS: tuple[Metric, ...] = (
    gauge(
        "book_state",
        "1 for the state of a book, 0 for the others. live: it is the venue's; buffering, stale: it"
        " waits for a snapshot; empty: nothing was heard of it on a connection.",
        *(_states, "topic", "state"),
    ),
    gauge(
        "book_not_live_seconds",
        "For how long a book has not been live, looked at every second; 0 while it is.",
        *(_absences, "topic"),
    ),
    counter(
        "without_book_seconds_total",
        "Time in which books were not live that had been before, over all topics.",
        one(lambda watch: watch.recorder.tally.without_book_ns / 1e9),
    ),
    counter(
        "gaps_total",
        "Gaps by topic; all streams: a lost connection, or frames that found no room.",
        *(_gaps, "topic"),
    ),
    counter(
        "gaps_by_cause_total",
        "The same gaps by what showed them first, as in the recording's table gap.",
        *(_causes, "cause"),
    ),
    counter(
        "gaps_healed_total",
        "Gaps of trades of which nothing is missing any more: all came late, or by REST.",
        one(lambda watch: watch.recorder.tally.holes.healed),
    ),
    gauge("gaps_open", "Gaps that go on.", _open_gaps, "topic"),
    counter(
        "audits_total",
        "Comparisons of books with bookTickers and fresh snapshots.",
        one(lambda watch: watch.recorder.intake.engine.audited),
    ),
    counter(
        "audits_without_result_total",
        "Snapshots asked for to compare with a book that came to no comparison.",
        one(lambda watch: watch.recorder.intake.engine.unaudited),
    ),
    counter(
        "audit_mismatches_total",
        "Audits that found a book not to be the venue's.",
        *(_mismatches, "topic"),
    ),
)
