"""What was worked out of a recording once, so that nobody has to do so again: its ``.index``.

All of it can be made anew at any time: it may be removed, and what is torn or of another version is
taken for missing. It is nobody's proof: who verifies or repairs reads what it was made of.
"""

import os
from contextlib import suppress
from hashlib import sha256

from tape.files import ASIDE
from tape.layout import Tape
from tape.version import code_version

FOLDER = ".index"

_DIGEST_BYTES = 32


def read(tape: Tape, name: str) -> bytes:
    """What is kept under a name; empty where it is not there, or not whole."""
    try:
        content = (tape.root / FOLDER / name).read_bytes()
    except OSError:
        return b""
    digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return content if sha256(content).digest() == digest else b""


def write(tape: Tape, name: str, content: bytes) -> None:
    """Keep something, if the recording is ours and the disk takes it: a file of somebody else would
    keep its owner from writing another. Not synced, as what is lost is made again."""
    path = tape.root / FOLDER / name
    aside = path.with_name(f"{name}{ASIDE}{os.getpid()}")
    with suppress(OSError):
        of_manifests = tape.manifest_folder.stat()
        if of_manifests.st_uid != os.geteuid():
            return
        path.parent.mkdir(of_manifests.st_mode & 0o777, exist_ok=True)  # it says no more than they
        try:
            aside.write_bytes(sha256(content).digest() + content)
            aside.replace(path)
        except OSError:
            aside.unlink(missing_ok=True)


def drop_others(tape: Tape, names: set[str]) -> None:
    """Remove what is kept under other names."""
    with suppress(OSError):
        for path in (tape.root / FOLDER).iterdir():
            if path.name.partition(ASIDE)[0] not in names:
                path.unlink()


def form_of(*fields: str) -> str:
    """What says that something was kept by the same version. fields: of what is kept."""
    return " ".join((code_version(), *fields))
