"""Metrics of what becomes of what came in: journal, memory, disk, sealing."""

from collections.abc import Iterator

from recorder.harvest import Total
from recorder.metric import Labels, Metric, counter, gauge, one
from recorder.watch import Watch
from tape.manifest import Verdict

Counts = Iterator[tuple[Labels, float]]


def _unsynced(watch: Watch) -> float | None:
    recorder = watch.recorder
    return recorder.store.disk.unsynced_s if recorder.tape and recorder.ring is None else None


def _dumps(watch: Watch) -> int | None:
    ring = watch.recorder.ring
    return None if ring is None else ring.dumps.count


def _pruned_segments(watch: Watch) -> int | None:
    retention = watch.recorder.retention
    return None if retention is None else retention.segments


def _pruned_bytes(watch: Watch) -> int | None:
    retention = watch.recorder.retention
    return None if retention is None else retention.freed


def _copies(watch: Watch) -> int:
    capture = watch.recorder.capture
    return 0 if capture is None else capture.folding.held


def _queue(watch: Watch) -> int | None:
    sealer = watch.recorder.sealer
    return None if sealer is None else sealer.waiting + sealer.is_at_work


def _sealed(watch: Watch) -> Counts:
    if (sealer := watch.recorder.sealer) is not None:
        for verdict in Verdict:
            yield (verdict.value,), sealer.sealed.totals.get(verdict, Total()).segments


def _last_verdict(watch: Watch) -> Counts:
    sealer = watch.recorder.sealer
    if sealer is not None and sealer.sealed.newest:
        for verdict in Verdict:
            yield (verdict.value,), float(verdict is sealer.sealed.newest[-1].verdict)


def _not_sealed(watch: Watch) -> Counts:
    if (sealer := watch.recorder.sealer) is not None:
        yield ("failed",), len(sealer.failed)
        yield ("left",), len(sealer.left)
        yield ("lost",), len(sealer.lost)


STORAGE: tuple[Metric, ...] = (
    counter(
        "taken_frames_total",
        "Frames with a number, of all kinds: messages, and what the recorder notes itself.",
        one(lambda watch: watch.recorder.intake.seq),
    ),
    gauge(
        "segment_number",
        "Number of the segment that is being recorded, from 1 in each session.",
        one(lambda watch: watch.recorder.store.segment),
    ),
    gauge(
        "journal_age_seconds",
        "Since all that had been taken was synced to the disk; below 1 s on a disk that is well."
        " None with --ring, which writes nothing before a dump.",
        one(_unsynced),
    ),
    gauge(
        "held_bytes",
        "Bytes in memory that are not safely on the disk; with --ring, what it holds.",
        one(lambda watch: watch.recorder.intake.memory.held),
    ),
    gauge(
        "copies_bytes",
        "Bytes, about, of what copies on other connections are known by: at most a quarter of"
        " --memory. Of what is forgotten sooner than after 10 s a copy is a frame of its own.",
        one(_copies),
    ),
    gauge(
        "waiting_bytes",
        "Bytes, about, of messages that wait for what another connection may bring.",
        one(lambda watch: watch.recorder.intake.engine.held),
    ),
    gauge(
        "held_limit_bytes",
        "How many there may be of those three together (--memory); beyond that frames are shed.",
        one(lambda watch: watch.recorder.intake.memory.bound),
    ),
    gauge(
        "shedding",
        "1 while frames are being lost as memory is full, else 0.",
        one(lambda watch: watch.recorder.intake.memory.shedding),
    ),
    counter(
        "shed_frames_total",
        "Frames lost as memory was full.",
        one(lambda watch: watch.recorder.intake.memory.lost.frames),
    ),
    counter(
        "shed_bytes_total",
        "Bytes of their payloads.",
        one(lambda watch: watch.recorder.intake.memory.lost.bytes),
    ),
    gauge(
        "disk_trouble",
        "1 while the disk refuses writes, hangs or is gone, else 0.",
        one(lambda watch: bool(watch.recorder.store.disk.trouble)),
    ),
    counter(
        "disk_trouble_seconds_total",
        "Time of such trouble that is over.",
        one(lambda watch: watch.recorder.store.disk.lasted),
    ),
    gauge(
        "disk_free_bytes",
        "Bytes that may be written where the recording is, looked at every 5 s; none while the disk"
        " does not say.",
        one(lambda watch: watch.free),
    ),
    gauge(
        "sealing_queue_segments",
        "Segments that are closed and not sealed yet, with the one at work.",
        one(_queue),
    ),
    counter(
        "segments_sealed_total",
        "Segments sealed by this run, by verdict. divergent: replay did not make the same rows, a"
        " bug: please report it.",
        *(_sealed, "verdict"),
    ),
    gauge(
        "last_verdict", "1 for the verdict of the newest sealed segment.", _last_verdict, "verdict"
    ),
    gauge(
        "segments_not_sealed",
        "Segments that could not be sealed: failed, left for want of room or time (bp-tape recover"
        " makes up for both); lost: without all that was recorded.",
        *(_not_sealed, "why"),
    ),
    counter("ring_dumps_total", "Dumps of the ring (--ring) that are on the disk.", one(_dumps)),
    counter("pruned_segments_total", "Segments pruned by --keep.", one(_pruned_segments)),
    counter("pruned_bytes_total", "Bytes of their files.", one(_pruned_bytes)),
)
