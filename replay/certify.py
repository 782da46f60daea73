"""Certifying: each segment is replayed from its own frames and compared with what was recorded.

Three things must agree: the checkpoints that the live recorder left among the frames, the digests
that sealing left in the manifest, and the stored rows. A Trial compares the first, as it
did when the segment was sealed.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from market.engine import Engine
from replay.certificate import Certificate, Finding, Outcome, SegmentCertificate
from replay.parting import PartingSearch
from replay.parts import PartDigests, StoredRows
from schemas.errors import TapeError
from schemas.frames import Frame, Kind, SegmentHead
from schemas.rows import Row
from tape.layout import FRAMES, SegmentName, Tape
from tape.lock import is_locked
from tape.manifest import Manifest, load
from tape.reader import holes, read_frames
from tape.trial import Trial
from tape.version import code_version

Watch = Callable[[Frame], None]

_FILES_AT_ONCE = 32  # read side by side to find where rows part; bounds memory


def certify(data: Tape | Path | str, watch: Watch = lambda _: None) -> Certificate:
    """Certify all sealed segments of a recording.

    ``watch`` is given each frame once, for a display. Whatever is damaged or missing is in
    the certificate; raises NotARecording only.
    """
    tape = data if isinstance(data, Tape) else Tape.open(data)
    manifests: list[Manifest] = []
    missing: list[str] = []
    for path in tape.manifests():
        try:
            manifests.append(load(path))
        except TapeError as error:
            missing.append(str(error))
    known = {SegmentName.of(path) for path in tape.manifests()}
    missing += [f"segment {name}" for name in holes(manifests) if name not in known]
    return Certificate(
        segments=tuple(certify_segment(tape, manifest, watch) for manifest in manifests),
        missing=tuple(missing),
        notes=tuple(_unsealed(tape)),
    )


def certify_segment(
    tape: Tape, manifest: Manifest, watch: Watch = lambda _: None
) -> SegmentCertificate:
    """Certify one segment; never raises for what is on disk."""
    hearing = _Hearing(tape, manifest)
    hearing.replay(watch)
    findings = sorted(hearing.findings(), key=lambda finding: finding.first_seq)
    return SegmentCertificate(
        name=str(manifest.name),
        outcome=hearing.outcome(findings),
        frames=hearing.frames,
        rows=hearing.rows,
        checkpoints=hearing.checkpoints,
        until_seq=hearing.trial.agreed,
        findings=tuple(findings),
        notes=tuple(hearing.notes()),
    )


class _Hearing:
    """One segment, replayed by a fresh engine before its witnesses."""

    def __init__(self, tape: Tape, manifest: Manifest) -> None:
        self.frames = self.rows = self.checkpoints = 0
        self.trial = Trial()
        self._tape = tape
        self._manifest = manifest
        self._parts = PartDigests()
        self._head: SegmentHead | None = None
        self._last_seq = manifest.first_seq - 1
        self._intact_until = min((d.until_seq or 0 for d in manifest.damage), default=None)
        self._findings: list[Finding] = []
        self._readable = True

    def replay(self, watch: Watch) -> None:
        """Feed all frames, as far as they can be read."""
        try:
            for frame, rows in self._replayed():
                self._see(frame, rows)
                watch(frame)
        except TapeError as error:
            self._readable = False
            ...
