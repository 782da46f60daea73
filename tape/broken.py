"""Files of generations that are missing, or not as they were sealed: what recovery does about them.

Rows are made anew of the frames. Frames cannot be: what is left of them becomes the segment.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from schemas.digest import Digest
from schemas.errors import TapeError
from tape.again import seal_again
from tape.batches import DamagedFile, check_footer
from tape.draft import SealEngine
from tape.files import rename, sha256_of
from tape.generations import Generations, all_generations, named, rows_files
from tape.layout import DAMAGED_ENDING, FRAMES, SegmentName, Tape, in_account
from tape.leftovers import remove_leftovers
from tape.manifest import FileEntry, Manifest
from tape.reader import read_frames
from tape.rebuild import rebuild
from tape.stored import there_or_lost
from tape.tasks import Done, Task, first_of, left

_ACCOUNT = Done(
    "left as it is: bring it back from a copy; without the folder account/ all else is played",
    "frames of an account, unless there is a copy",
)

EngineFactory = Callable[[], SealEngine]
Progress = Callable[[int, int], None]


def broken_files(tape: Tape, engine: EngineFactory, progress: Progress) -> Iterator[Task]:
    """Of all generations that are kept; every byte is read, as by `tape.verify.verify`.

    Raises OSError where a file may not be read: it may be whole.
    """
    segments = all_generations(tape)
    problems = _problems(tape, segments, progress)
    for segment in segments if problems else ():
        yield from _broken(tape, segment, problems, engine)


def moved_aside(path: Path) -> Path:
    """A file gets the name under which it is kept for people."""
    kept = path.with_name(path.name + DAMAGED_ENDING)
    rename(path, kept)
    return kept


def rebuilt(tape: Tape, name: SegmentName, engine: SealEngine) -> Done:
    """A segment is made anew of its files of frames."""
    manifest, damaged = rebuild(tape, name, engine)
    gone = f"cannot be read, moved aside: {', '.join(damaged)}" if damaged else None
    if manifest is None:
        return Done("no frame could be read", gone)
    said = f"made anew from frames: {manifest.verdict}"
    return Done(said, "; ".join(filter(None, (gone, lost_with(manifest)))) or None)


def lost_with(manifest: Manifest) -> str | None:
    """What is missing from a segment. That nobody stopped the recorder in order loses nothing."""
    said = [str(damage) for damage in manifest.damage]
    said += [] if manifest.lost is None else [str(manifest.lost)]
    said += [] if manifest.divergence is None else [f"divergent: {manifest.divergence}"]
    return "; ".join(said) or None


def _problems(tape: Tape, segments: Sequence[Generations], progress: Progress) -> dict[str, str]:
    """What is wrong, by the path of the file."""
    files = there_or_lost(tape, named(m for each in segments for m in each.kept))
    done, total = 0, sum(entries[0].bytes for entries in files.values())
    found = {}
    for path, entries in files.items():
        for entry in entries:
            if problem := _problem(tape.root, entry):
                found[path] = problem
                break
        done += entries[0].bytes
        progress(done, total)
    return found


def _problem(root: Path, entry: FileEntry) -> str | None:
    path = root / entry.path
    with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
        path.open("rb").close()
    try:
        check_footer(root, entry)
    except DamagedFile as error:
        return error.problem
    return None if sha256_of(path) == entry.sha256 else "is not as it was sealed, by its sha256"


def _broken(
    tape: Tape, segment: Generations, problems: Mapping[str, str], engine: EngineFactory
) -> Iterator[Task]:
    if segment.current is None:
        return
    frames = segment.current.files_of(FRAMES)
    if broken := [entry.path for entry in frames if entry.path in problems]:
        found = f"file of frames that {problems[broken[0]]}"
        if _are_those(tape, segment.current):
            yield _frames_as_they_are(tape, segment, broken, found, engine)
        elif all(map(in_account, broken)):
            yield left(first_of(broken), found, _ACCOUNT)  # a hole each would end all order books
        elif len(broken) < len(frames):
            yield _without_some_frames(tape, segment, broken, found, engine)
        else:
            lost = "frames, unless there is a copy"
            done = Done("left as it is: bring it back from a copy", lost)
            yield from (left(path, found, done) for path in broken)
        return
    for manifest in segment.kept:
        if paths := [e.path for e in rows_files(manifest) if e.path in problems]:
            found = f"file of rows that {problems[paths[0]]}"
            if manifest is segment.current:
                yield _rows_made_anew(tape, segment, paths, found, engine)
            else:
                yield _rows_retired(tape, manifest, paths, found)


def _are_those(tape: Tape, manifest: Manifest) -> bool:
    """Whether all frames of a segment can be read, and are those that were sealed: some bits of a
    file are of no matter."""
    digest = Digest()
    try:
        for frame in read_frames(tape, manifest):
            digest.add(frame)
    except TapeError:
        return False
    return digest.hexdigest() == manifest.frames_digest


def _frames_as_they_are(
    tape: Tape, segment: Generations, broken: Sequence[str], found: str, engine: EngineFactory
) -> Task:
    def run() -> Done:
        _move_manifests(tape, segment)
        return rebuilt(tape, segment.name, engine())

    found += "; all its frames are as they were"
    return Task(first_of(broken), found, "make the segment anew from its frames", run)


def _without_some_frames(
    tape: Tape, segment: Generations, broken: Sequence[str], found: str, engine: EngineFactory
) -> Task:
    """Manifests go after the frames they know to be damaged, which rebuilding might not notice."""

    def run() -> Done:
        for path in broken:
            if (tape.root / path).exists():
                moved_aside(tape.root / path)
        _move_manifests(tape, segment)
        done, lost = rebuilt(tape, segment.name, engine())
        return Done(done, lost or f"frames of {first_of(broken)}")

    intent = "move it aside, make the segment anew from the other frames"
    return Task(first_of(broken), found, intent, run)


def _move_manifests(tape: Tape, segment: Generations) -> None:
    for manifest in segment.readable:
        moved_aside(tape.manifest(manifest.name, manifest.generation))


def _rows_made_anew(
    tape: Tape, segment: Generations, paths: Sequence[str], found: str, engine: EngineFactory
) -> Task:
    broken = segment.current
    assert broken is not None

    def run() -> Done:
        made = seal_again(tape, segment, engine()).manifest
        _retire(tape, broken)
        return Done(f"made anew from frames, as generation {made.generation}")

    return Task(first_of(paths), found, "make rows anew from frames", run)


def _rows_retired(tape: Tape, manifest: Manifest, paths: Sequence[str], found: str) -> Task:
    def run() -> Done:
        _retire(tape, manifest)
        return Done(f"generation {manifest.generation} removed: a later one counts")

    return Task(first_of(paths), found, "remove that generation", run)


def _retire(tape: Tape, manifest: Manifest) -> None:
    """A generation is no more; another one, of the same frames, is there."""
    paths = {entry.path for entry in rows_files(manifest)}
    moved_aside(tape.manifest(manifest.name, manifest.generation))
    kept = named(m for each in all_generations(tape) for m in each.readable)
    remove_leftovers(tape, sorted(paths - kept.keys()))
