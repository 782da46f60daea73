"""What is on a tape after a crash, for readers and after the next start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from schemas.frames import Frame
from tape.batches import check_footer
from tape.files import ASIDE
from tape.journal_reader import read_journal
from tape.layout import SegmentName, Tape
from tape.manifest import Verdict
from tape.reader import read_frames, segments
from tape.verify import verify

Sessions = dict[str, list[Frame]]


def sealed(tape: Tape) -> Sessions:
    """All frames that readers are given, by session; raises what they raise. All files of all
    segments are there."""
    found: Sessions = {}
    for manifest in segments(tape, merge=True):
        frames = list(read_frames(tape, manifest))
        assert len(frames) == manifest.frames, f"half of {manifest.name}"
        for entry in manifest.files:
            check_footer(tape.root, entry)
        found.setdefault(manifest.session, []).extend(frames)
    return found


def taped(tape: Tape) -> Sessions:
    """All frames there are, by session: of segments, and of journals that are not segments yet."""
    found = sealed(tape)
    for path in tape.journals():
        name = SegmentName.of(path)
        if not tape.is_sealed(name):
            found.setdefault(name.session, []).extend(read_journal(path))
    return found


def check_mended(tape: Tape) -> Sessions:
    """Nothing is half, nothing is left over, and certificates hold; the frames by session."""
    assert tape.journals() == []
    assert not list(tape.root.rglob(f"*{ASIDE}"))
    damage = [finding for finding in verify(tape) if finding.damage]
    assert not damage, "\n".join(f"{found.path}: {found.problem}" for found in damage)
    for _, group in groupby(segments(tape, merge=True), key=lambda manifest: manifest.session):
        *whole, last = group
        assert {manifest.verdict for manifest in whole} <= {Verdict.CERTIFIED}
        assert last.verdict in (Verdict.CERTIFIED, Verdict.RECOVERED)
        assert last.damage == []
    return sealed(tape)


def check_prefixes(found: Sessions, whole: Mapping[str, Sequence[Frame]]) -> None:
    """Of each session, the frames from the first on, each once and as it was, and no others."""
    for session, frames in found.items():
        assert frames == whole[session][: len(frames)], f"other frames in {session}"
