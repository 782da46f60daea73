"""A segment in the making: its frames go through an engine, and its manifest comes of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from schemas.frames import Checkpoint, Frame
from schemas.privacy import Privacy
from schemas.rows import SCHEMA, Row
from tape.columns import filed_topic
from tape.journal_reader import Damage
from tape.layout import SegmentName
from tape.manifest import FileEntry, Lost, Manifest, Origin, Verdict
from tape.tally import Tally
from tape.trial import Trial
from tape.version import code_version


class Filed(NamedTuple):
    """A frame, the topic it is filed under, whether it is private, and the rows it makes."""

    frame: Frame
    topic: str | None
    private: bool
    rows: Sequence[Row]


class SealEngine(Protocol):
    """What sealing needs of an engine; it is given a fresh one for each segment."""

    @property
    def unknown(self) -> Mapping[str, int]:
        """Frames per stream or event it has no handler for."""

    def feed(self, frame: Frame) -> Sequence[Row]:
        """Take the next frame; the rows it makes."""

    def digest(self) -> str:
        """Of all that it remembers, as in the last checkpoint of a segment."""


class Draft:
    """One segment on its way through an engine.

    damage: what is known to be missing before the last frame; may grow while frames are fed.
    lost: what is missing after the last frame; may be set until the manifest is made.
    """

    def __init__(self, name: SegmentName, engine: SealEngine, damage: Sequence[Damage]) -> None:
        self.lost: Lost | None = None
        self._name = name
        self._engine = engine
        self._noted = damage
        self._doubtful = False
        self._trial = Trial(engine.digest)
        self._tally = Tally()
        self._privacy = Privacy()

    def feed(self, frames: Iterable[Frame]) -> Iterator[Filed]:
        """Each frame, and what comes of it."""
        for frame in frames:
            rows = self._engine.feed(frame)
            topic = filed_topic(frame)
            self._tally.add(frame, topic, rows)
            self._doubtful = self._doubtful or self._hole_before(frame)
            self._trial.see(frame, rows, intact=not self._doubtful)
            yield Filed(frame, topic, self._privacy.see(frame, topic), rows)

    @property
    def digests(self) -> Checkpoint:
        """Of all frames fed and their rows."""
        return self._trial.digests()

    @property
    def end(self) -> str | None:
        """Why the segment ended, if the recorder said so in the last frame."""
        return self._trial.end

    @property
    def damage(self) -> list[Damage]:
        """What is missing before the last frame, whether or not bytes say so."""
        found = [noted for noted in self._noted if noted.until_seq is not None]
        known = {noted.until_seq for noted in found}
        jumps = [jump for jump in self._tally.jumps if jump[1] not in known]
        return found + [Damage(0, 0, "seq does not go on by one", *jump) for jump in jumps]

    @property
    def verdict(self) -> Verdict:
        """What the replay of the segment is worth."""
        if self._trial.divergence is not None:
            return Verdict.DIVERGENT
        if self.end is None or self.damage or self.lost is not None:
            return Verdict.RECOVERED
        return Verdict.CERTIFIED if self._trial.outdated is None else Verdict.FRAMES

    def _hole_before(self, frame: Frame) -> bool:
        known = (noted.until_seq for noted in self._noted if noted.until_seq is not None)
        return bool(self._tally.jumps) or any(until <= frame.seq for until in known)

    def manifest(self, files: list[FileEntry], generation: int, origin: Origin) -> Manifest:
        """What there is to say of the segment and the files made of it."""
        tally, digests = self._tally, self.digests
        return Manifest(
            rows_schema=SCHEMA,
            generation=generation,
            origin=origin,
            code=code_version(),
            session=self._name.session,
            number=self._name.number,
            verdict=self.verdict,
            divergence=self._trial.divergence,
            end=self.end,
            created=datetime.now(UTC),
            first_seq=tally.first_seq,
            last_seq=tally.last_seq,
            first_ts=tally.first_ts,
            last_ts=tally.last_ts,
            kinds=dict(sorted(tally.kinds.items())),
            topics=dict(sorted(tally.topics.items())),
            rows=dict(sorted(tally.rows.items())),
            unknown=dict(sorted(self._engine.unknown.items())),
            frames_digest=digests.frames,
            rows_digest=digests.rows,
            damage=self.damage,
            lost=self.lost,
            ring=self._trial.ring,
            heals=self._trial.heals,
            files=files,
        )
