"""Recovery: whatever was killed, damaged or lost, what can still be read becomes a recording again.

A survey changes nothing; each thing it finds is a task, and it goes on from what the tasks before
left. What was cut off is found again, as it was or half done, so recovery may be interrupted at any
point and repeated.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from schemas.errors import NotARecording
from tape.again import seal_again
from tape.broken import EngineFactory, Progress, broken_files, lost_with, moved_aside, rebuilt
from tape.compact import compact
from tape.generations import Generations, all_generations
from tape.layout import (
    DAMAGED_ENDING,
    MARKS,
    SegmentName,
    Tape,
    generation_of,
    refuse_shards,
)
from tape.leftovers import (
    abandoned,
    remove_leftovers,
    remove_superseded,
    superseded,
    unfinished,
    without_frames,
)
from tape.manifest import Origin
from tape.merged import Begun, begun
from tape.plan import plan_begun
from tape.prune import remove_files
from tape.prune import unfinished as half_pruned
from tape.prunings import pruned
from tape.rebuild import segments_with_frames
from tape.seal import seal_alone
from tape.tasks import Done, Task, first_of, left, perform, removal

__all__ = ["EngineFactory", "open_damaged", "perform", "survey"]


def open_damaged(root: Path) -> Tape:
    """A folder in which there is at least something of a recording; raises NotARecording."""
    if not root.is_dir():
        raise NotARecording(f"no folder {root}; name the folder that bp-record wrote to")
    tape = Tape(root)
    if not any(any(tape.glob(mark)) for mark in MARKS):
        refuse_shards(root)
        raise NotARecording(f"{root} holds no recording, nor what is left of one")
    return tape


def survey(
    tape: Tape, engine: EngineFactory, progress: Progress = lambda _done, _total: None
) -> Iterator[Task]:
    """What there is to do, in the order in which it is to be done.

    ``progress`` is told the bytes checked so far and those of all files. The caller holds
    `tape.lock.lock` and `tape.lock.upkeep`. Raises TooNew where a later version wrote a manifest,
    and OSError where something may not be read: whether it is damaged nobody knows.
    """
    segments = all_generations(tape)
    for path in (path for segment in segments for path in segment.damaged):
        _check_readable(path)
    for segment in segments:
        for path in segment.damaged:
            yield _damaged_manifest(tape, segment, path, engine)
    for journal in tape.journals():
        yield _unsealed(tape, journal, engine)
    sealed = {one.name for one in all_generations(tape) if one.readable}
    waiting = set(map(SegmentName.of, tape.journals()))
    if cut_off := half_pruned(tape):
        yield removal("pruning that was cut off", cut_off, partial(remove_files, tape, cut_off))
    gone = pruned(tape).gone.keys()
    for name in sorted(segments_with_frames(tape) - sealed - waiting - gone):
        yield _without_manifest(tape, name, engine)
    yield from broken_files(tape, engine, progress)
    yield from _leftovers(tape)


def _damaged_manifest(tape: Tape, segment: Generations, path: Path, engine: EngineFactory) -> Task:
    generation = generation_of(path)
    later = [m for m in segment.readable if m.generation > generation]
    replaced = any(manifest.origin is Origin.COMPACTION for manifest in later)
    remakes = segment.current is not None and not replaced
    remains = bool(segment.readable) or segment.name in _with_frames(tape)

    def run() -> Done:
        moved_aside(path)
        if not remakes:
            return Done("moved aside", None if remains else "all of its segment")
        (now,) = all_generations(tape, {segment.name})
        seal_again(tape, now, engine(), generation)
        return Done(f"moved aside, generation {generation} made anew from frames")

    intent = "move it aside" + ", make its rows anew from frames" * remakes
    return Task(tape.shown(path), "manifest that cannot be read", intent, run)


def _unsealed(tape: Tape, journal: Path, engine: EngineFactory) -> Task:
    name = SegmentName.of(journal)
    half = name in segments_with_frames(tape) and not tape.is_sealed(name)

    def run() -> Done:
        sealed = seal_alone(journal, tape, engine())
        if sealed is not None:
            return Done(f"sealed: {sealed.verdict}", lost_with(sealed))
        kept = journal.with_name(journal.name + DAMAGED_ENDING)
        if kept.exists():
            return Done(f"kept as {kept.name}", "no frame of it could be read")
        return Done("removed: it held no frame")

    found = "journal whose sealing was cut off" if half else "journal that is not sealed"
    return Task(tape.shown(journal), found, "seal it", run)


def _without_manifest(tape: Tape, name: SegmentName, engine: EngineFactory) -> Task:
    path = tape.shown(tape.manifest(name))
    intent = "make it and its rows from frames"
    return Task(path, "manifest that is missing", intent, lambda: rebuilt(tape, name, engine()))


def _leftovers(tape: Tape) -> Iterator[Task]:
    """Files that no manifest names, or none that counts."""
    yield from _half_switched(tape, begun(tape, all_generations(tape)))
    going = superseded(tape, all_generations(tape))
    if going.manifests:
        paths = [tape.shown(tape.manifest(m.name, m.generation)) for m in going.manifests]
        remove = partial(remove_superseded, tape, going)
        yield removal("compaction that was cut off", [*paths, *going.files], remove)
    for found, paths in (
        ("rows of a generation that was never finished", unfinished(tape)),
        ("left by sealing that was cut off", abandoned(tape)),
    ):
        if paths:
            yield removal(found, paths, partial(remove_leftovers, tape, paths))
    known = {one.name for one in all_generations(tape)} | _with_frames(tape)
    known |= pruned(tape).gone.keys()
    for path in without_frames(tape, known):
        kept = Done("left as they are", "the frames they were made of")
        yield left(path, "rows of a segment that is gone", kept)


def _with_frames(tape: Tape) -> set[SegmentName]:
    """Segments of which there are frames, sealed or not."""
    return segments_with_frames(tape) | set(map(SegmentName.of, tape.journals()))


def _half_switched(tape: Tape, halves: Begun) -> Iterator[Task]:
    if not halves.names:
        return

    def run() -> Done:
        days = [done.date for done in compact(tape, plan_begun(tape))]
        return Done(f"compacted: {', '.join(days)}" if days else "nothing to compact")

    path = first_of(sorted(halves.paths))
    yield Task(path, "compaction that was cut off half way", "compact what is left", run)


def _check_readable(path: Path) -> None:
    """That it may not be read says nothing against a file."""
    if path.is_file():
        path.read_bytes()
