"""What the log of prunings says, without its lists of files: kept, as the log only grows.

A line of a segment of all markets has 100 KB, nearly all of it names and digests of files; a
year of ``--keep`` makes 0.9 GB of log, which each command would read.
"""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO

import msgspec
from msgspec.structs import replace

from tape import kept
from tape.layout import Tape
from tape.pruning import Pruning, from_line

NAME = "log"

_WORTH = 1 << 20  # bytes of log
_FORM = kept.form_of(*Pruning.__struct_fields__)

Topics = tuple[str, ...]


class _Gist(msgspec.Struct, array_like=True):
    """Of the log up to ``until``.

    last: sha256 of the line that ends there, length of it. topics: of ``Ends``, each set once.
    lines: prunings with one file, if any, and the number of their topics.
    """

    form: str = _FORM
    until: int = 0
    last: bytes = b""
    length: int = 0
    topics: list[Topics] = []
    lines: list[tuple[Pruning, int]] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Gist).decode


def gist(tape: Tape, log: Path) -> Iterator[Pruning]:
    """All lines that can be read, with the first of their files only. Raises TooNew for what a
    later version wrote."""
    try:
        file = log.open("rb")
    except FileNotFoundError:
        return
    with file:
        known = _kept(tape, file)
        before = known.until
        unended = _go_on(file, known)
    if known.until - before and known.until >= _WORTH:
        kept.write(tape, NAME, _encode(known))
    for pruning, number in known.lines:
        yield replace(pruning, ends=replace(pruning.ends, topics=known.topics[number]))
    if unended is not None:
        yield unended


def _kept(tape: Tape, file: IO[bytes]) -> _Gist:
    """What is kept of this very log."""
    try:
        known = _decode(kept.read(tape, NAME))
    except msgspec.MsgspecError:
        return _Gist()
    file.seek(max(known.until - known.length, 0))
    same = sha256(file.read(known.length)).digest() == known.last
    return known if same and known.form == _FORM else _Gist()


def _go_on(file: IO[bytes], known: _Gist) -> Pruning | None:
    """Read what was added since. What a last line without its end says: it may go again."""
    file.seek(known.until)
    numbers = {topics: number for number, topics in enumerate(known.topics)}
    for line in file:
        pruning = from_line(line.removesuffix(b"\n"))
        if not line.endswith(b"\n"):
            return pruning
        known.until += len(line)
        known.last, known.length = sha256(line).digest(), len(line)
        if pruning is None:
            continue
        number = numbers.setdefault(pruning.ends.topics, len(numbers))
        if number == len(known.topics):
            known.topics.append(pruning.ends.topics)
        bare = replace(pruning, files=pruning.files[:1], ends=replace(pruning.ends, topics=()))
        known.lines.append((bare, number))
    return None
