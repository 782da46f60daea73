"""Metrics of the program itself: its clock, its loop, its process, and whether it is well."""

import os
import platform
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import process_time

from recorder.health import Reason, problems
from recorder.metric import Labels, Metric, Type, gauge, histogram, one
from recorder.watch import Watch
from schemas.rows import SCHEMA
from tape.version import FORMAT, code_version

Counts = Iterator[tuple[Labels, float]]

_SELF = Path("/proc/self")
_STARTED_FIELD = 19  # of /proc/self/stat, behind the name: clock ticks from the boot


def _problems(watch: Watch) -> Counts:
    found = {problem.reason for problem in problems(watch)}
    for reason in Reason:
        yield (reason.value,), float(reason in found)


def _build(watch: Watch) -> Counts:
    del watch
    yield (code_version(), str(FORMAT), str(SCHEMA), platform.python_version()), 1


def _session(watch: Watch) -> Counts:
    if session := watch.recorder.store.session:
        yield (session,), 1


def _shard(watch: Watch) -> Counts:
    yield (watch.recorder.settings.shard_name or "1/1",), 1


def _offset(watch: Watch) -> float | None:
    clock = watch.recorder.tally.traffic.clock
    return None if clock is None or clock.offset_ns is None else clock.offset_ns / 1e9


def _round_trip(watch: Watch) -> float | None:
    clock = watch.recorder.tally.traffic.clock
    return None if clock is None or clock.round_trip_ns is None else clock.round_trip_ns / 1e9


def _compared(watch: Watch) -> float | None:
    clock = watch.recorder.tally.traffic.clock
    return None if clock is None else (watch.mono - clock.mono_ns) / 1e9


def _memory(watch: Watch) -> float | None:
    del watch
    with suppress(OSError):
        pages = int((_SELF / "statm").read_text().split()[1])
        return pages * resource.getpagesize()
    return None


def _started(watch: Watch) -> float | None:
    del watch
    with suppress(OSError):
        fields = (_SELF / "stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/stat").read_text().partition("\nbtime ")[2].split()[0]
        return int(boot) + int(fields[_STARTED_FIELD]) / os.sysconf("SC_CLK_TCK")
    return None


def _open_files(watch: Watch) -> float | None:
    del watch
    with suppress(OSError):
        return len(os.listdir(_SELF / "fd"))
    return None


PROCESS: tuple[Metric, ...] = (
    gauge(
        "problem",
        "1 for each thing that is wrong right now, as /healthz says it, else 0.",
        *(_problems, "reason"),
    ),
    gauge(
        "clock_offset_seconds",
        "The venue's clock less ours, as last compared, every minute; sure to half of"
        " backpack_recorder_clock_round_trip_seconds and 1 ms.",
        one(_offset),
    ),
    gauge("clock_round_trip_seconds", "How long asking for its time took.", one(_round_trip)),
    gauge("clock_compared_age_seconds", "Since the venue last told its time.", one(_compared)),
    histogram(
        "event_loop_lag_seconds",
        "How much later than asked for the event loop woke a task, ten times a second: for so long"
        " it was busy with something else, and stamps came as late.",
        one(lambda watch: watch.pulse.buckets),
    ),
    gauge(
        "build_info",
        "Always 1; version of the code, of the format and of the rows, and Python.",
        *(_build, "version", "format", "schema", "python"),
    ),
    gauge("session_info", "Always 1; name of the session.", _session, "session"),
    gauge(
        "shard_info",
        "Always 1; which share of the markets is recorded, as 2/4. All: 1/1.",
        *(_shard, "shard"),
    ),
    # What all programs call so.
    Metric(
        *(Type.COUNTER, "process_cpu_seconds_total"),
        "User and system time of the recorder; sealing is a process of its own.",
        one(lambda watch: process_time()),
    ),
    Metric(Type.GAUGE, "process_resident_memory_bytes", "Memory in use.", one(_memory)),
    Metric(
        Type.GAUGE, "process_start_time_seconds", "When it started, since the epoch.", one(_started)
    ),
    Metric(Type.GAUGE, "process_open_fds", "Open files and sockets.", one(_open_files)),
    Metric(
        *(Type.GAUGE, "process_max_fds", "How many it may have."),
        one(lambda watch: resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
    ),
)
