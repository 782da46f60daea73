"""A recording, or those of several shards that are read as one."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from schemas.errors import NotARecording
from schemas.shard import Shard
from tape.layout import Tape, shard_folders
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

    Raises NotARecording for a folder that holds neither.
    """
    if isinstance(data, Path | str):
        root = Path(data)
        begun = [tape for tape in map(Tape, [root, *shard_folders(root)]) if _has_begun(tape)]
        return _each_once(begun) or [Tape.open(root)]
    found = [tape for folder in data for tape in tapes(folder)]
    if not found:
        raise NotARecording("no folder is named: there is nothing to read")
    return _each_once(found)


def recordings(data: Folders) -> list[Recording]:
    """The same with all that is sealed, whatever sessions overlap."""
    found = []
    for tape in tapes(data):
        manifests = segments(tape, merge=True)
        found.append(Recording(permitted(tape, manifests), manifests, pruned(tape)))
    return found


def _each_once(found: Sequence[Tape]) -> list[Tape]:
    return list({tape.root.resolve(): tape for tape in reversed(found)}.values())[::-1]


def _has_begun(tape: Tape) -> bool:
    return bool(tape.manifests() or tape.journals())


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
