"""The hearing of one segment: replayed from its own frames before all its witnesses.

Three things must agree with the replay: the checkpoints that the live recorder left among the
frames, the digests that sealing left in the manifest, and the stored rows. A Trial compares the
first, as it did when the segment was sealed.
"""

from collections.abc import Callable, Iterator

import msgspec

from market.engine import Engine
from replay.certificate import Finding, Outcome
from replay.parting import PartingSearch
from replay.parts import Part, PartDigests, Sorter, StoredRows
from replay.rewritten import rewritten, with_files
from schemas.errors import TapeError
from schemas.frames import Frame, Kind, SegmentHead
from schemas.rows import SCHEMA, Row
from tape.layout import FRAMES, Tape
from tape.losses import next_seq
from tape.manifest import Manifest
from tape.reader import read_frames
from tape.trial import STATE, Trial
from tape.version import code_version

_FILES_AT_ONCE = 32  # compared row by row side by side; bounds memory
_NEVER = 2**63 - 1


class Hearing:
    """One segment and what is found about it.

    frames, rows, checkpoints: how many were replayed; of checkpoints, those that agreed.
    until_seq: the last checkpoint that agreed, 0 if none.
    findings: what is wrong, by seq.
    """

    def __init__(self, tape: Tape, manifest: Manifest) -> None:
        self.frames = self.rows = self.checkpoints = 0
        self.findings: list[Finding] = []
        self._tape = tape
        self._rewritten = list(rewritten(tape, manifest))
        self._sealed = manifest
        self._manifest = with_files(manifest, self._rewritten)
        self._engine = Engine()
        self._trial = Trial(self._engine.digest)
        self._parts = PartDigests(Sorter(manifest.private))
        self._recorded_by: str | None = None
        self._last_seq, self._next_seq = manifest.first_seq - 1, manifest.first_seq
        self._hole_ends = min((d.until_seq or _NEVER for d in manifest.damage), default=_NEVER)
        self._readable = True
        self._outdated: set[str] = set()  # tables

    @property
    def until_seq(self) -> int:
        return self._trial.agreed

    @property
    def outcome(self) -> Outcome:
        """What can be said of the segment after `hold`."""
        if self.findings:
            return Outcome.FAILED
        lost = self._manifest.damage or self._manifest.lost
        if self._trial.end is None or lost:
            return Outcome.RECOVERED
        return Outcome.FRAMES if self._trial.outdated or self._outdated else Outcome.CERTIFIED

    @property
    def name(self) -> str:
        """Of the segment."""
        return str(self._manifest.name)

    def hold(self, count: Callable[[], None]) -> None:
        """Replay the segment and compare everything; ``count`` is called for each frame."""
        try:
            for frame, rows in self._replay(self._engine):
                self._see(frame, rows)
                count()
        except TapeError as error:
            self._readable = False
            self._find(str(error), self._last_seq + 1, self._unread_until())
        self._hear_checkpoints()
        if self._readable:
            self._hear_manifest()
            self._hear_rows()
        self.findings.sort(key=lambda finding: finding.first_seq)

    def notes(self) -> Iterator[str]:
        """What else should be known."""
        versions = self._recorded_by or "unknown", self._manifest.code, code_version()
        if len(set(versions)) > 1:
            recorded, sealed, ours = versions
            yield f"recorded by version {recorded}, sealed by {sealed}, certified by {ours}"
        if self.outcome is Outcome.RECOVERED:
            after = self._manifest.last_seq - self.until_seq
            yield (
                f"certified up to seq {self.until_seq}; the {after:,} frames after it have no"
                " checkpoint to compare with: the recorder did not finish, or bytes were lost"
            )
        yield from self._notes_on_versions()
        for entry in self._rewritten:
            yield f"{entry.path} is not the file that was sealed; it was read as it is"
        yield from self._manifest.losses
        if not self._readable:
            yield "stored rows were not compared, as not all frames can be read"

    def _notes_on_versions(self) -> Iterator[str]:
        if self._outdated:
            yield (
                f"rows were made by schema {self._manifest.rows_schema}; this version makes schema"
                f" {SCHEMA} and other rows of {', '.join(sorted(self._outdated))}: bp-tape seal"
                " --again makes them anew"
            )
        elif self._trial.outdated is not None:
            yield (
                "the live recorder made rows of an older schema, which cannot be compared; stored"
                f" rows are those of schema {SCHEMA}"
            )

    def _replay(self, engine: Engine) -> Iterator[tuple[Frame, list[Row]]]:
        for frame in read_frames(self._tape, self._manifest):
            yield frame, engine.feed(frame)
            engine.take_requests()

    def _see(self, frame: Frame, rows: list[Row]) -> None:
        if frame.seq != self._next_seq:
            self._jump(frame.seq)
        self._last_seq = frame.seq
        self._next_seq = next_seq(frame)  # where sealing found a hole, a LOSS frame stands for it
        self.frames += 1
        self.rows += len(rows)
        self._trial.see(frame, rows, intact=frame.seq < self._hole_ends)
        self._parts.see(frame, rows)
        if frame.kind is Kind.CHECKPOINT:
            self.checkpoints += self._trial.agreed == frame.seq
        elif frame.kind is Kind.SEGMENT:
            self._recorded_by = _code(frame)

    def _jump(self, seq: int) -> None:
        """Frames are missing, which is wrong unless sealing knew of it."""
        jump = self._last_seq, seq
        if jump not in {(d.after_seq, d.until_seq) for d in self._manifest.damage}:
            self._find(f"seq {seq} follows on {self._last_seq}", min(jump), max(jump))
            self._hole_ends = min(self._hole_ends, seq)

    def _hear_checkpoints(self) -> None:
        dispute = self._trial.dispute
        if dispute is None:
            return
        if dispute.what == "frames":
            problem = "these frames, or the checkpoint after them, are not those that were recorded"
        elif dispute.what == STATE:
            problem = "the replay makes the same rows, but remembers other things at the end"
        else:
            problem = "the replay makes other rows of these frames than the live recorder did"
        if self._manifest.divergence is not None:
            problem += ", which was so when they were sealed"
        self._find(problem, self._after_agreed(), dispute.until_seq + 1)

    def _hear_manifest(self) -> None:
        """What no checkpoint covers, the manifest does."""
        made, manifest = self._trial.digests(), self._manifest
        if self._last_seq != manifest.last_seq:
            self._find("the end of the segment is missing", self._last_seq, manifest.last_seq)
        elif self._trial.dispute is None and made.frames != manifest.frames_digest:
            problem = "these frames are not those that were sealed"
            self._find(problem, self._after_agreed(), manifest.last_seq)
        elif (
            self._trial.dispute is None
            and made.rows != manifest.rows_digest
            and manifest.rows_schema == SCHEMA
        ):
            problem = "the replay makes other rows of these frames than sealing did"
            self._find(problem, self._after_agreed(), manifest.last_seq)

    def _hear_rows(self) -> None:
        stored = StoredRows(self._tape, self._manifest)
        differing, unreadable = stored.compare(self._parts.found())
        self.findings += unreadable
        if self._manifest.rows_schema < SCHEMA:
            differing = self._excused(differing)
        for at in range(0, len(differing), _FILES_AT_ONCE):
            self.findings += self._partings(stored, differing[at : at + _FILES_AT_ONCE])

    def _excused(self, parts: list[Part]) -> list[Part]:
        """Rows of an older schema may be others, if they are still those that were sealed: parts
        that are not."""
        stored = StoredRows(self._tape, self._sealed)
        intact = [part for part in parts if stored.intact(part)]
        self._outdated.update(part.table for part in intact)
        return [part for part in parts if part not in intact]

    def _partings(self, stored: StoredRows, parts: list[Part]) -> list[Finding]:
        search = PartingSearch(stored, parts, Sorter(self._manifest.private))
        for frame, rows in self._replay(Engine()):
            search.see(frame, rows)
            if search.done:
                return search.found
        search.finish()
        return search.found

    def _after_agreed(self) -> int:
        """A checkpoint does not cover itself, so doubt begins with the last one that agreed."""
        return max(self._trial.agreed, self._manifest.first_seq)

    def _unread_until(self) -> int:
        """Last seq of the file in which reading ended."""
        files = self._manifest.files_of(FRAMES)
        ends = (entry.last_seq for entry in files if entry.last_seq > self._last_seq)
        return min(ends, default=self._manifest.last_seq)

    def _find(self, problem: str, first_seq: int, last_seq: int) -> None:
        self.findings.append(Finding(problem=problem, first_seq=first_seq, last_seq=last_seq))


def _code(frame: Frame) -> str | None:
    """Version that recorded a segment, from its head."""
    try:
        return msgspec.json.decode(frame.payload, type=SegmentHead).code
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
