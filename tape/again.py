"""Rows made anew from the frames of sealed segments, with the engine of today.

The files of frames stay what they are and are shared; the rows lie in a tree of their own, and a
manifest of the next generation says so.
"""

from collections.abc import Callable
from typing import NamedTuple

from schemas.errors import TapeError
from schemas.rows import SCHEMA
from tape import manifest as manifests
from tape.draft import Draft, SealEngine
from tape.files import sha256_of
from tape.generations import Generations, rows_files
from tape.layout import FRAMES, Tape, rows_tree
from tape.leftovers import remove_unnamed
from tape.manifest import FileEntry, Manifest, Origin
from tape.reader import read_frames
from tape.segment import RowsWriter
from tape.version import code_version


class Again(NamedTuple):
    """A segment and the generation that now counts.

    before: the one that counted, of which the frames were taken.
    """

    before: Manifest
    manifest: Manifest

    @property
    def made(self) -> bool:
        """Whether there is a new generation; else the one there was is just that already."""
        return self.manifest is not self.before


def seal_again(
    tape: Tape,
    segment: Generations,
    engine: SealEngine,
    generation: int | None = None,
    count: Callable[[], None] = lambda: None,
) -> Again:
    """Make the rows of a sealed segment anew; ``count`` is called for each frame.

    generation: one that no manifest has; by default the next one, unless the one that counts was
    made of the frames by this very version and is whole: it is not made again.
    Raises TapeError where frames cannot be read or are not those that were sealed.
    """
    before = segment.current
    if before is None:
        raise TapeError(f"no manifest of {segment.name} can be read: see bp-tape recover")
    number = segment.following if generation is None else generation
    draft = Draft(before.name, engine, before.damage)
    draft.lost = before.lost
    folders = [f"{rows_tree(number)}/*/*/*"]  # no manifest has named what is there
    with RowsWriter(tape, before.name, lambda _: rows_tree(number)) as writer:
        for filed in draft.feed(read_frames(tape, before)):
            writer.add(filed.rows, filed.private)
            count()
        if draft.digests.frames != before.frames_digest:
            raise TapeError(f"{before.name}: its frames are not those that were sealed")
        if generation is None and _is_that(tape, before, draft):
            return Again(before, before)
        try:
            files = before.files_of(FRAMES) + writer.finish()
        except OSError:
            remove_unnamed(tape, before.name, [], folders)  # the disk may be full
            raise
    made = draft.manifest(files, number, Origin.FRAMES)
    remove_unnamed(tape, before.name, files, folders)
    manifests.save(made, tape)
    return Again(before, made)


def _is_that(tape: Tape, manifest: Manifest, draft: Draft) -> bool:
    """Whether a generation is what would be made now, and its files are whole."""
    return (
        manifest.origin is Origin.FRAMES
        and (manifest.code, manifest.rows_schema) == (code_version(), SCHEMA)
        and manifest.rows_digest == draft.digests.rows
        and all(_is_whole(tape, entry) for entry in rows_files(manifest))
    )


def _is_whole(tape: Tape, entry: FileEntry) -> bool:
    path = tape.root / entry.path
    return path.is_file() and sha256_of(path) == entry.sha256
