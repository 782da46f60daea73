"""A recording, or those of several shards that are read as one."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from schemas.errors import NotARecording
from schemas.shard import Shard
from tape.layout import MARKS, Tape, shard_folders
from tape.manifest import Manifest
from tape.prunings import Pruned, pruned
from tape.reader import segments
from tape.view import permitted

Folders = Path | str | Iterable[Path | str]


class Recording(NamedTuple):
    """A folder that one recorder writes to. segments: those that are sealed. away: of them what was
    pruned."""

    tape: Tape
    segments: Sequence[Manifest]
    away: Pruned


def tapes(data: Folders) -> list[Tape]:
    """Of a folder and the shards in it, or of all folders that are named. One that is there twice,
    as by a link, is read once.

    Raises NotARecording for a folder that holds neither, or only what is left of one.
    """
    if isinstance(data, Path | str):
        return list(map(Tape.open, folders(data))) or [Tape.open(data)]
    found = [tape for folder in data for tape in tapes(folder)]
    if not found:
        raise NotARecording("no folder is named: there is nothing to read")
    return _each_once(found)


def recordings(data: Folders, everything: bool = False) -> list[Recording]:
    """The same with all that is sealed, whatever sessions overlap.

    everything: also what is of an account where that may not be read, which is an error then.
    """
    found = []
    for tape in tapes(data):
        manifests = segments(tape, merge=True)
        view = tape if everything else permitted(tape, manifests)
        found.append(Recording(view, manifests, pruned(tape)))
    return found


def in_order(there: Sequence[Recording]) -> list[tuple[Recording, Manifest]]:
    """All segments of some recordings, by session and number, as those of one are."""
    found = [(each, manifest) for each in there for manifest in each.segments]
    return sorted(found, key=lambda pair: pair[1].name)


def folders(data: Path | str) -> list[Path]:
    """A folder, if a recording is in it or what is left of one, and the shards in it of which that
    is so; one that is there twice, once."""
    root = Path(data)
    found = [tape for tape in map(Tape, [root, *shard_folders(root)]) if _has_begun(tape)]
    return [tape.root for tape in _each_once(found)]


def _each_once(found: Sequence[Tape]) -> list[Tape]:
    return list({tape.root.resolve(): tape for tape in reversed(found)}.values())[::-1]


def _has_begun(tape: Tape) -> bool:
    """Whether there is anything of a recording, as a damaged one may have nothing else."""
    if tape.manifests() or tape.journals():
        return True
    return any(any(tape.glob(mark)) for mark in MARKS)


def notes(there: Sequence[Recording]) -> Iterator[str]:
    """What there is to say of what is not here: shards, and what was pruned."""
    yield from missing_shards(each.tape for each in there)
    for each in there:
        yield from each.away.notes()


def missing_shards(found: Iterable[Tape]) -> Iterator[str]:
    """What there is to say of shards whose others are not here."""
    here: defaultdict[int, set[int]] = defaultdict(set)
    for tape in found:
        shard = Shard.of_folder(tape.root.absolute().name)  # which may be a link to elsewhere
        if shard is not None:
            here[shard.of].add(shard.number)
    for of, numbers in sorted(here.items()):
        lacking = [str(Shard(n, of)) for n in range(1, of + 1) if n not in numbers]
        if lacking:
            yield f"{len(numbers)} of {of} shards are here, without {', '.join(lacking)}"
