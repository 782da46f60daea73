"""A recording made of several: what any of them heard, each message once."""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from heapq import heapify, heappop, heappush
from itertools import groupby, pairwise
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from schemas.errors import NotARecording, UsageError
from schemas.frames import SegmentHead, UnionInput
from schemas.rows import SCHEMA
from tape.blend import Blend
from tape.layout import Tape
from tape.manifest import Manifest
from tape.prunings import pruned
from tape.reader import segments
from tape.recordings import tapes
from tape.scribe import LiveEngine, Scribe
from tape.side import Heard, Side
from tape.version import FORMAT, code_version
from tape.view import permitted, without_account
from tape.worksite import worksite

_STEP = 1_024  # frames between two words to the progress bar

Progress = Callable[[int, int], None]


class Made(NamedTuple):
    """What came of a union. copies: messages that came again. left_out: REST requests that were,
    with their answers."""

    inputs: tuple[UnionInput, ...]
    segments: list[Manifest]
    copies: int
    left_out: int


def sides(roots: Sequence[Path], public: bool) -> list[Side]:
    """The sessions of some recordings, and of the shards in their folders, by name. public: without
    what is of an account.

    Raises NotARecording where there is nothing, and UsageError where two have the same session.
    """
    found: list[Side] = []
    for tape in (tape for root in roots for tape in tapes(root)):
        all_of_it = segments(tape, merge=True)
        away = pruned(tape).unplayable
        there = [manifest for manifest in all_of_it if manifest.name not in away]
        if not there:
            root = tape.root
            raise NotARecording(f"{root} has no sealed segment with frames: nothing to unite")
        tape = without_account(tape) if public else permitted(tape, there)
        sessions = groupby(there, key=attrgetter("session"))
        found += [Side(tape, list(group)) for _, group in sessions]
    found.sort(key=attrgetter("session"))
    for one, following in pairwise(found):
        if one.session == following.session:
            raise UsageError(
                f"session {one.session} is in two of these folders: leave one of them out"
            )
    return found


def union(
    found: Sequence[Side],
    out: Path,
    engine: Callable[[], LiveEngine],
    public: bool = False,
    progress: Progress = lambda _done, _total: None,
) -> Made:
    """Make one recording of all sides, in a folder that is not there yet, or empty.

    It is written aside, and has its name when all of it is sealed. To seal counts twice as much for
    the progress as to weave. Raises UsageError where the
    folder has something or is in a side's, TapeError for frames that cannot be read, OSError where
    the disk refuses.
    """
    _check_out(out, found)
    inputs = tuple(side.input() for side in found)
    private = not public and any(m.private for side in found for m in side.segments)
    with worksite(out) as aside:
        scribe = Scribe(Tape(aside), engine, _head(found, inputs), private)
        blend = Blend(scribe, public)
        try:
            for done, total in _feed(found, blend):
                progress((done + 2 * done * scribe.ended // max(scribe.seq, 1)) // 3, total)
            if not scribe.seq:
                raise NotARecording("nothing was heard of the venue in these recordings")
            made = scribe.finish()
        except BaseException:
            scribe.abandon()
            raise
    return Made(inputs, made, blend.copies, blend.replies.left_out)


def _check_out(out: Path, found: Sequence[Side]) -> None:
    """A recording in another is damage to that."""
    for root in {side.root for side in found}:
        if out.resolve().is_relative_to(root.resolve()):
            raise UsageError(f"{out} is in {root}, one of those to be united: name another folder")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(f"{out} is there already, and not empty: name a new folder")


def _head(found: Sequence[Side], inputs: tuple[UnionInput, ...]) -> SegmentHead:
    """Of all segments. The session is named after the first it is made of, and after all, with and
    without what is of an account."""
    first = min(found, key=attrgetter("first_ts"))
    said = "".join(each.session + each.manifests for each in inputs)
    said += "".join(f"without account {side.session}" for side in found if side.leaves_out)
    began = first.session.partition("-")[0]
    session = f"{began}-u{sha256(said.encode()).hexdigest()[:8]}"
    of = first.head()
    return SegmentHead(
        session=session,
        number=0,
        format=FORMAT,
        code=code_version(),
        topics=(),
        ws_url=of.ws_url,
        rest_url=of.rest_url,
        rows_schema=SCHEMA,
        union=inputs,
    )


def _feed(found: Sequence[Side], blend: Blend) -> Iterator[tuple[int, int]]:
    """All frames by the time they came, and those of one time by session; a side is opened when it
    begins. Now and then how many, and of how many."""
    total, done = sum(side.frames for side in found), 0
    waiting = [(side.begins(), number) for number, side in enumerate(found)]
    heapify(waiting)
    streams: dict[int, Iterator[Heard]] = {}
    coming: dict[int, Heard] = {}
    while waiting:
        _, number = heappop(waiting)
        if number in streams:
            blend.take(number, coming[number])
            done += 1
        else:
            blend.begin(number, found[number].has_copies)
            streams[number] = found[number].heard()
        following = next(streams[number], None)
        if following is None:
            blend.end(number, found[number].stopped)
        else:
            coming[number] = following
            heappush(waiting, (following.at, number))
            if done % _STEP == 0:
                yield done, total
