"""Recovery: whatever was killed, damaged or lost, what can still be read becomes a recording again.

A survey changes nothing; each thing it finds is a task, and it goes on from what the tasks before
left. What was cut off is found again, as it was or half done, so recovery may be interrupted at any
point and repeated.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from schemas.errors import NotARecording, TapeError, TooNew
from tape.again import seal_again
from tape.batches import DamagedFile, check_footer
from tape.compact import compact, plan_begun
from tape.draft import SealEngine
from tape.files import rename
from tape.generations import Generations, all_generations, rows_files
from tape.layout import DAMAGED_ENDING, FRAMES, JOURNAL_ENDING, SegmentName, Tape, generation_of
from tape.leftovers import (
    Begun,
    abandoned,
    begun,
    remove_leftovers,
    remove_superseded,
    superseded,
    unfinished,
    without_frames,
)
from tape.manifest import FileEntry, Manifest, Origin, load
from tape.rebuild import rebuild, segments_with_frames
from tape.seal import seal_alone

EngineFactory = Callable[[], SealEngine]


class Done(NamedTuple):
    """What a task came to. lost: what cannot be brought back; None if nothing."""

    done: str
    lost: str | None = None


class Task(NamedTuple):
    """Something that was found. path: relative to the recording's folder. intent: what is done.

    run: does it; raises OSError where the disk refuses.
    """

    path: str
    found: str
    intent: str
    run: Callable[[], Done]


def open_damaged(root: Path) -> Tape:
    """A folder in which there is at least something of a recording; raises NotARecording."""
    if not root.is_dir():
        raise NotARecording(f"no folder {root}; name the folder that bp-record wrote to")
    marks = ("manifest/*.json*", f"journal/*{JOURNAL_ENDING}*", f"{FRAMES}/*/*/*.parquet*")
    if not any(any(root.glob(mark)) for mark in marks):
        raise NotARecording(f"{root} holds no recording, nor what is left of one")
    return Tape(root)


def perform(task: Task) -> Done:
    """Do a task; that it cannot be done is a loss too. Raises OSError where the disk refuses."""
    try:
        return task.run()
    except TooNew:
        raise
    except TapeError as error:
        return Done("failed", str(error))


def survey(tape: Tape, engine: EngineFactory) -> Iterator[Task]:
    """What there is to do, in the order in which it is to be done.

    The caller holds `tape.lock.lock` and `tape.lock.upkeep`. Raises TooNew where a later version
    wrote a manifest.
    """
    for segment in all_generations(tape):
        for path in segment.damaged:
            yield _damaged_manifest(tape, segment, path, engine)
    for journal in tape.journals():
        yield _unsealed(tape, journal, engine)
    sealed = {one.name for one in all_generations(tape) if one.readable}
    waiting = set(map(SegmentName.of, tape.journals()))
    for name in sorted(segments_with_frames(tape) - sealed - waiting):
        yield _without_manifest(tape, name, engine)
    yield from _leftovers(tape)
    for segment in all_generations(tape):
        yield from _broken_files(tape, segment, engine)


def _damaged_manifest(tape: Tape, segment: Generations, path: Path, engine: EngineFactory) -> Task:
    _refuse_newer(path)
    generation = generation_of(path)
    later = [m for m in segment.readable if m.generation > generation]
    replaced = any(manifest.origin is Origin.COMPACTION for manifest in later)
    remakes = segment.current is not None and not replaced

    def run() -> Done:
        rename(path, path.with_name(path.name + DAMAGED_ENDING))
        if not remakes:
            return Done("moved aside")
        (now,) = all_generations(tape, {segment.name})
        seal_again(tape, now, engine(), generation)
        return Done(f"moved aside, generation {generation} made anew from frames")

    intent = "move it aside" + ", make its rows anew from frames" * remakes
    return Task(_shown(tape, path), "manifest that cannot be read", intent, run)


def _unsealed(tape: Tape, journal: Path, engine: EngineFactory) -> Task:
    name = SegmentName.of(journal)
    half = name in segments_with_frames(tape) and not tape.is_sealed(name)

    def run() -> Done:
        sealed = seal_alone(journal, tape, engine())
        if sealed is not None:
            return Done(f"sealed: {sealed.verdict}", _lost(sealed))
        kept = journal.with_name(journal.name + DAMAGED_ENDING)
        if kept.exists():
            return Done(f"kept as {kept.name}", "no frame of it could be read")
        return Done("removed: it held no frame")

    found = "journal whose sealing was cut off" if half else "journal that is not sealed"
    return Task(_shown(tape, journal), found, "seal it", run)


def _without_manifest(tape: Tape, name: SegmentName, engine: EngineFactory) -> Task:
    def run() -> Done:
        manifest, damaged = rebuild(tape, name, engine())
        gone = f"cannot be read, moved aside: {', '.join(damaged)}" if damaged else None
        if manifest is None:
            return Done("no frame could be read", gone)
        said = f"made anew from frames: {manifest.verdict}"
        return Done(said, "; ".join(filter(None, (gone, _lost(manifest)))) or None)

    path = tape.manifest(name)
    return Task(
        _shown(tape, path), "manifest that is missing", "make it and its rows from frames", run
    )


def _leftovers(tape: Tape) -> Iterator[Task]:
    """Files that no manifest names, or none that counts."""
    yield from _half_switched(tape, begun(all_generations(tape)))
    going = superseded(tape, all_generations(tape))
    if going.manifests:
        paths = [_shown(tape, tape.manifest(m.name, m.generation)) for m in going.manifests]
        yield _removal("compaction that was cut off", [*paths, *going.files], _finish(tape))
    for found, paths in (
        ("rows of a generation that was never finished", unfinished(tape)),
        ("left by sealing that was cut off", abandoned(tape)),
    ):
        if paths:
            yield _removal(found, paths, partial(remove_leftovers, tape, paths))
    known = {one.name for one in all_generations(tape)} | segments_with_frames(tape)
    known |= set(map(SegmentName.of, tape.journals()))
    for path in without_frames(tape, known):
        left = Done("left as they are", "the frames they were made of")
        yield Task(path, "rows of a segment that is gone", "leave them", partial(_same, left))


def _half_switched(tape: Tape, halves: Begun) -> Iterator[Task]:
    if not halves.names:
        return

    def run() -> Done:
        days = [done.date for done in compact(tape, plan_begun(tape))]
        return Done(f"compacted: {', '.join(days)}" if days else "nothing to compact")

    path = _first_of(sorted(halves.paths))
    yield Task(path, "compaction that was cut off half way", "compact what is left", run)


def _finish(tape: Tape) -> Callable[[], None]:
    return lambda: remove_superseded(tape, all_generations(tape))


def _removal(found: str, paths: Sequence[str], remove: Callable[[], None]) -> Task:
    def run() -> Done:
        remove()
        return Done(f"removed {len(paths)} files")

    return Task(_first_of(paths), found, "remove", run)


def _broken_files(tape: Tape, segment: Generations, engine: EngineFactory) -> Iterator[Task]:
    """Files of the generation that counts that are missing, or not as they were sealed."""
    manifest = segment.current
    if manifest is None:
        return
    frames = list(_problems(tape, manifest.files_of(FRAMES)))
    for path, problem in frames:
        left = Done("left as it is: bring it back from a copy", "frames, unless there is a copy")
        yield Task(path, f"file of frames that {problem}", "leave it", partial(_same, left))
    rows = list(_problems(tape, rows_files(manifest)))
    if rows and not frames:

        def run() -> Done:
            made = seal_again(tape, segment, engine()).manifest
            return Done(f"made anew from frames, as generation {made.generation}")

        found = f"file of rows that {rows[0][1]}"
        yield Task(_first_of([path for path, _ in rows]), found, "make rows anew from frames", run)


def _problems(tape: Tape, entries: Sequence[FileEntry]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        try:
            check_footer(tape.root, entry)
        except DamagedFile as error:
            yield entry.path, error.problem


def _lost(manifest: Manifest) -> str | None:
    """What is missing from a segment. That nobody stopped the recorder in order loses nothing."""
    said = [str(damage) for damage in manifest.damage]
    said += [] if manifest.lost is None else [str(manifest.lost)]
    said += [] if manifest.divergence is None else [f"divergent: {manifest.divergence}"]
    return "; ".join(said) or None


def _refuse_newer(path: Path) -> None:
    """A later version may know what to do with it."""
    try:
        load(path)
    except TooNew:
        raise
    except TapeError:
        return


def _same(done: Done) -> Done:
    return done


def _first_of(paths: Sequence[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"


def _shown(tape: Tape, path: Path) -> str:
    return path.relative_to(tape.root).as_posix()
