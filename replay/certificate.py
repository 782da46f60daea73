"""The certificate: what certifying a recording found, and how it is said."""

from enum import StrEnum

import msgspec

from tape.moment import stamp

_SHOWN = 5  # findings of a segment that are written out; one changed frame can make many


class Outcome(StrEnum):
    """What can be said of a segment, from good to bad."""

    CERTIFIED = "certified"  # it replays to the very frames and rows that the live recorder had
    FRAMES = "certified in its frames"  # to the very frames; its rows are of an older version
    RECOVERED = "recovered"  # so does what a checkpoint covers; a crash or damage took the rest
    FAILED = "failed"  # it does not, or cannot be read


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it was recorded.

    problem: a sentence.
    first_seq, last_seq: the frames it is about.
    ts_recv, topic: of the frame, where it is exactly one; topic also its REST path.
    """

    problem: str
    first_seq: int
    last_seq: int
    ts_recv: int | None = None
    topic: str | None = None

    def __str__(self) -> str:
        if self.ts_recv is None:
            return f"seq {self.first_seq} to {self.last_seq}: {self.problem}"
        about = f"{stamp(self.ts_recv)}, {self.topic}" if self.topic else stamp(self.ts_recv)
        return f"frame {self.first_seq} ({about}): {self.problem}"


class Parting(Finding, frozen=True, kw_only=True):
    """The first frame from which a file of rows and the replay make different rows.

    file: the one that holds, or should hold, the recorded row, below the recording's folder.
    table, column: where they differ; column None if only one side has such a row of this frame.
    recorded, replayed: that column's value in the file and in the replay, as bp-replay prints it;
        where column is None, the row of the side that has one, and None for the other.
    """

    file: str
    table: str
    column: str | None
    recorded: str | None
    replayed: str | None


class SegmentCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """What certifying a segment found.

    frames, rows: how many were replayed.
    checkpoints: how many agreed; ``until_seq``: the last of them, 0 if none.
    findings: by seq, what is wrong; none unless failed.
    notes: what else should be known.
    """

    name: str
    outcome: Outcome
    frames: int
    rows: int
    checkpoints: int
    until_seq: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        count = f"{self.frames:,} frames, {self.rows:,} rows, {self.checkpoints:,} checkpoints"
        lines = [f"{self.name}: {self.outcome} ({count})"]
        lines += [f"  {finding}" for finding in self.findings[:_SHOWN]]
        if len(self.findings) > _SHOWN:
            lines.append(f"  and {len(self.findings) - _SHOWN} more")
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What certifying a recording found; its text is what bp-replay --certify prints.

    missing: segments that should lie between others and are not there, or cannot be read.
    damaged: what cannot be read of segments that an older generation is there of.
    lost: sentences on sessions whose beginning or end is not there.
    notes: what else should be known.
    """

    segments: tuple[SegmentCertificate, ...]
    missing: tuple[str, ...]
    damaged: tuple[str, ...]
    lost: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def outcome(self) -> Outcome:
        """The worst of all segments; failed if any is missing, recovered at best if any is lost."""
        outcomes = {segment.outcome for segment in self.segments}
        if self.missing or self.damaged or not outcomes:
            return Outcome.FAILED
        if self.lost:
            outcomes.add(Outcome.RECOVERED)
        return max(outcomes, key=list(Outcome).index)

    def __str__(self) -> str:
        lines = [str(segment) for segment in self.segments]
        lines += [f"missing: {name}" for name in self.missing]
        lines += [f"damaged: {problem}" for problem in self.damaged]
        lines += [f"lost: {sentence}" for sentence in self.lost]
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join([*lines, self._sentence()])

    def _sentence(self) -> str:
        frames = sum(segment.frames for segment in self.segments)
        match self.outcome:
            case Outcome.CERTIFIED:
                return f"CERTIFIED: all {frames:,} frames replay exactly as they happened live"
            case Outcome.FRAMES:
                return (
                    f"CERTIFIED IN ITS FRAMES: all {frames:,} frames are those that arrived live;"
                    " an older version made rows of them that this one makes otherwise"
                )
            case Outcome.RECOVERED:
                unfinished = any(s.outcome is Outcome.RECOVERED for s in self.segments)
                reasons = ["the recorder did not finish every segment"] if unfinished else []
                reasons += ["not all of every session is there"] if self.lost else []
                return f"CERTIFIED AS FAR AS IT GOES: {', and '.join(reasons)}"
            case Outcome.FAILED:
                failed = sum(segment.outcome is Outcome.FAILED for segment in self.segments)
                gone = f", {len(self.missing)} are missing" if self.missing else ""
                gone += f", {len(self.damaged)} manifests are damaged" if self.damaged else ""
                return f"NOT CERTIFIED: {failed} of {len(self.segments)} segments failed{gone}"
