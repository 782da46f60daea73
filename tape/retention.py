"""How long, or how much of, a recording is kept, and what has to go for that.

What is oldest goes first, by when its last frame was received. The newest segment stays, and so
does one that a journal continues that is still to be sealed. A file that several segments share is
gone with the last of them.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.check_rows import Audit, Clock, Silence
from schemas.rows import Gap, Session
from tape.generations import Generations, all_generations, named
from tape.glance import Glance, Shelf, is_shared
from tape.keep import Keep
from tape.layout import FRAMES, SegmentName, Tape, table_of
from tape.manifest import FileEntry, Manifest, Verdict
from tape.merged import begun
from tape.outlines import Outlines
from tape.prunings import What, pruned

# Small, and without them nobody knows what is missing: pruned with the rest of a segment only.
# Requests that change what is subscribed are rows of sessions.
DOUBTS = frozenset(row.TABLE for row in (Gap, Audit, Clock, Silence, Session))

_FORCE = "not certified: --force prunes it too"
_CUT_OFF = "its compaction was cut off: bp-tape compact finishes it"
_DAMAGED = "a manifest of its session cannot be read: bp-tape recover makes it anew"


class Holding(NamedTuple):
    """What a segment has on disk, of all generations, that may be pruned.

    doubt: why it must not be touched, or has to be forced; empty if neither. forcible: whether it
        can be.
    bytes: of files that are its own. shared: paths of those that other segments have rows in.
    """

    name: SegmentName
    last_ts: int
    doubt: str
    forcible: bool
    bytes: int
    shared: tuple[str, ...]


class Stock(NamedTuple):
    """All that may be pruned of a recording.

    manifests: those that count. holdings: the oldest first.
    staying: those of them that stay in any case.
    shared: bytes by path. bytes: of all files that a manifest names, each once, and of journals.
    """

    manifests: list[Manifest]
    holdings: list[Holding]
    staying: frozenset[SegmentName]
    shared: dict[str, int]
    bytes: int


class Choice(NamedTuple):
    """going: what is to be pruned, the oldest first. spared: what would be, but for its doubt.

    freed: bytes that each of the going ones gives back. bytes: that the recording has afterwards;
    fits: whether that is no more than what is to be kept.
    """

    going: list[Holding]
    freed: list[int]
    spared: list[Holding]
    bytes: int
    fits: bool


class Aim(NamedTuple):
    """What is to be done: what of a segment, until when; forced: uncertified segments too.

    now: ns since the epoch, UTC.
    """

    keep: Keep
    now: int
    what: What = What.ALL
    force: bool = False


def choose(stock: Stock, aim: Aim) -> Choice:
    """What has to go."""
    keep, left = aim.keep, stock.bytes
    oldest = aim.now - keep.age if keep.age is not None else None
    claims = Counter(path for holding in stock.holdings for path in holding.shared)
    going: list[Holding] = []
    freed: list[int] = []
    spared: list[Holding] = []
    for holding in stock.holdings:
        too_old = oldest is not None and holding.last_ts < oldest
        if not too_old and (keep.size is None or left <= keep.size):
            break
        if holding.name in stock.staying or not _has(holding, aim.what):
            continue
        if holding.doubt and not (aim.force and holding.forcible):
            spared.append(holding)
            continue
        going.append(holding)
        claims.subtract(holding.shared)
        last = [stock.shared[path] for path in holding.shared if not claims[path]]
        freed.append(holding.bytes + sum(last))
        left -= freed[-1]
    return Choice(going, freed, spared, left, keep.size is None or left <= keep.size)


def within(stocks: Sequence[Stock], aim: Aim) -> Aim:
    """What is to be done to each of several recordings that are to fit into a size all together:
    they are kept up to the same age, the longest for which they do, or as long as nothing may go
    any more."""
    size = aim.keep.size
    if size is None or len(stocks) == 1:
        return aim
    ages = sorted({max(aim.now - each.last_ts - 1, 0) for s in stocks for each in s.holdings})
    longest = aim._replace(keep=aim.keep._replace(size=None))

    def up_to(age: int) -> Aim:
        least = age if aim.keep.age is None else min(age, aim.keep.age)
        return aim._replace(keep=longest.keep._replace(age=least))

    def too_much(aim: Aim) -> bool:
        return sum(choose(stock, aim).bytes for stock in stocks) > size

    if not ages or not too_much(longest):
        return longest
    return up_to(ages[max(bisect_left(ages, True, key=lambda age: too_much(up_to(age))) - 1, 0)])


def take_stock(tape: Tape, what: What = What.ALL) -> Stock:
    """Look at all manifests. Raises TooNew where a later version made one."""
    outlines = Outlines(tape)
    segments = all_generations(tape, read=outlines.read)
    outlines.keep()
    counting = _Counting(tape, what)
    doubts = _doubts(tape, segments)
    found = [
        counting.holding(segment, segment.current, doubts.get(segment.name.session, ""))
        for segment in segments
        if segment.current is not None
    ]
    found.sort(key=lambda holding: (holding.last_ts, holding.name))
    journals = tape.journals()
    total = counting.bytes + sum(path.stat().st_size for path in journals)
    manifests = [segment.current for segment in segments if segment.current is not None]
    staying = _staying(found, map(SegmentName.of, journals))
    return Stock(manifests, found, staying, counting.shared, total)


def is_pruned_with(entry: FileEntry, what: What) -> bool:
    """Whether a file goes."""
    return _goes(entry.table, what)


def _goes(table: str, what: What) -> bool:
    if what is What.FRAMES:
        return table == FRAMES
    return what is What.ALL or table not in {FRAMES, *DOUBTS}


class _Counting:
    """Goes through the files of all segments.

    bytes: of all so far, each once. shared: bytes by path, of files that several may have rows in.
    """

    def __init__(self, tape: Tape, what: What) -> None:
        self.bytes = 0
        self.shared: dict[str, int] = {}
        self._tape = tape
        self._what = what
        away = pruned(tape)
        self._lacking = away.frames.keys() | away.rows.keys()
        self._has_account = tape.account_folder.exists()

    def holding(self, segment: Generations, counts: Manifest, doubt: str) -> Holding:
        """What a segment has. doubt: of its session, which no force helps against."""
        seen = self._seen(segment)
        own, shared = self._looked_up(segment) if seen is None else self._of(seen)
        uncertified = "" if counts.verdict is Verdict.CERTIFIED else f"{counts.verdict}, {_FORCE}"
        return Holding(
            name=segment.name,
            last_ts=counts.last_ts,
            doubt=doubt or uncertified,
            forcible=not doubt,
            bytes=own,
            shared=shared,
        )

    def _seen(self, segment: Generations) -> Glance | None:
        """All there is to know; None where each file has to be looked at, as there are several
        generations, or not all files are there any more."""
        if len(segment.readable) > 1 or segment.name in self._lacking:
            return None
        files = segment.readable[0].files
        if not isinstance(files, Shelf) or (files.glance.private and not self._has_account):
            return None
        return files.glance

    def _of(self, seen: Glance) -> tuple[int, tuple[str, ...]]:
        """Bytes of its own that go, and paths that do."""
        own = seen.sizes.own
        self.bytes += sum(own.values())
        for path, size in seen.shared_files():
            self._share(path, size)
        every = self._what is What.ALL
        shared = tuple(path for path in seen.shared if every or _goes(table_of(path), self._what))
        return sum(own[table] for table in own if _goes(table, self._what)), shared

    def _looked_up(self, segment: Generations) -> tuple[int, tuple[str, ...]]:
        """The same."""
        own, shared = 0, []
        for entry in self._files(segment):
            goes = is_pruned_with(entry, self._what)
            if is_shared(entry, segment.name):
                self._share(entry.path, entry.bytes)
                shared += [entry.path] * goes
            else:
                self.bytes += entry.bytes
                own += entry.bytes * goes
        return own, tuple(shared)

    def _files(self, segment: Generations) -> list[FileEntry]:
        """Those of all generations that are there, each once; of a copy without what is of an
        account, the others."""
        files = [entries[0] for entries in named(segment.readable).values()]
        files = files if self._has_account else [e for e in files if not e.private]
        if segment.name in self._lacking:
            return [entry for entry in files if (self._tape.root / entry.path).exists()]
        return files

    def _share(self, path: str, size: int) -> None:
        if path not in self.shared:
            self.shared[path] = size
            self.bytes += size


def _doubts(tape: Tape, segments: Sequence[Generations]) -> dict[str, str]:
    """Sessions of which nobody can tell which files are named, and why."""
    cut_off = {name.session for name in begun(tape, segments).names}
    damaged = {segment.name.session for segment in segments if segment.damaged}
    return dict.fromkeys(cut_off, _CUT_OFF) | dict.fromkeys(damaged, _DAMAGED)


def _staying(found: Sequence[Holding], journals: Iterable[SegmentName]) -> frozenset[SegmentName]:
    """The newest, by time and by name, after which a new session is named, and what journals
    continue, which are sealed with a look at it."""
    newest = {found[-1].name, max(holding.name for holding in found)} if found else set()
    return frozenset(newest | {name._replace(number=name.number - 1) for name in journals})


def _has(holding: Holding, what: What) -> bool:
    return what is What.ALL or bool(holding.bytes or holding.shared)
