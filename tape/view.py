"""What of a recording is looked into: all of it, or all but what is of an account."""

import os
from collections.abc import Iterable
from dataclasses import replace

from tape.layout import Tape
from tape.manifest import FileEntry, Manifest


def permitted(tape: Tape, manifests: Iterable[Manifest]) -> Tape:
    """The recording, without what is of an account where that is not there, as in a copy that was
    given to somebody else, or may not be read. Where a single file of it is not, that is an error
    for who reads it.

    manifests: without any that names such a file the recording is what it is.
    """
    if not any(manifest.private for manifest in manifests):
        return tape
    there = os.access(tape.account_folder, os.R_OK | os.X_OK)
    return tape if there else without_account(tape)


def without_account(tape: Tape) -> Tape:
    """The recording, as who reads only what is public sees it."""
    return replace(tape, public=True)


def seen(tape: Tape, entries: Iterable[FileEntry]) -> list[FileEntry]:
    """Of some files those that are looked into."""
    return [entry for entry in entries if not (tape.public and entry.private)]
