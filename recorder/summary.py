"""What a recording has to say for itself at its end."""

from rich.console import Console
from rich.table import Table

from recorder.recorder import Recorder
from tape.manifest import Manifest, Verdict, load

WHOLE, FAILED, LOSSES = 0, 1, 3
_TOPIC_LINES = 40


def print_summary(console: Console, recorder: Recorder) -> None:
    """Frames per topic, rows per table, gaps, verdicts, and where it all is."""
    tally = recorder.tally
    if not tally.frames:
        return
    topics = tally.topics()
    shown = sorted(topics, key=lambda line: (-line.frames, line.topic))[:_TOPIC_LINES]
    _print_counts(console, "topic", "frames", {line.topic: line.frames for line in shown})
    if len(topics) > len(shown):
        console.print(f"and {len(topics) - len(shown)} topics with fewer frames")
    _print_counts(console, "table", "rows", dict(sorted(tally.rows.items())))
    for line in (*_doubts(recorder), *_verdicts(recorder)):
        console.print(line, highlight=False, soft_wrap=True)


def exit_code(recorder: Recorder) -> int:
    """0 all certified, 1 something failed or diverged, 3 recorded with losses."""
    verdicts = [manifest.verdict for manifest in _manifests(recorder)]
    if Verdict.DIVERGENT in verdicts or (recorder.sealer and recorder.sealer.failed):
        return FAILED
    if recorder.tally.rows["gap"] or recorder.tally.rows["reject"]:
        return LOSSES
    return WHOLE if all(verdict is Verdict.CERTIFIED for verdict in verdicts) else LOSSES


def _print_counts(console: Console, name: str, unit: str, counts: dict[str, int]) -> None:
    if not console.is_terminal:
        for key, count in counts.items():
            print(f"{name}\t{key}\t{count}\t{unit}")
        return
    table = Table(name, unit, box=None)
    table.columns[1].justify = "right"
    for key, count in counts.items():
        table.add_row(key, f"{count:,}")
    console.print(table)


def _doubts(recorder: Recorder) -> list[str]:
    tally = recorder.tally
    lines = [f"gaps: {sum(tally.gaps.values())}, rejects: {tally.rows['reject']}"]
    if unknown := dict(recorder.intake.engine.unknown):
        names = ", ".join(f"{name} ({count})" for name, count in sorted(unknown.items()))
        lines.append(f"kept raw, as nothing is known of them: {names}")
    if waiting := [line.topic for line in tally.topics() if not line.frames]:
        lines.append(f"never heard of: {', '.join(waiting)}")
    return lines


def _verdicts(recorder: Recorder) -> list[str]:
    """A line for each verdict; all segments sealed by this run, an earlier run's among them."""
    if recorder.tape is None or recorder.sealer is None:
        return []
    groups: dict[Verdict, list[Manifest]] = {}
    for manifest in _manifests(recorder):
        groups.setdefault(manifest.verdict, []).append(manifest)
    lines = [_group_line(verdict, manifests) for verdict, manifests in groups.items()]
    lines += [f"not sealed, kept for the next start: {path}" for path in recorder.sealer.failed]
    return [*lines, f"recording: {recorder.tape.root} (session {recorder.store.session})"]


def _group_line(verdict: Verdict, manifests: list[Manifest]) -> str:
    frames = sum(manifest.frames for manifest in manifests)
    size = sum(entry.bytes for manifest in manifests for entry in manifest.files)
    causes = [m.divergence or str(m.lost or "") for m in manifests if m.divergence or m.lost]
    return (
        f"{verdict.value}: {len(manifests)} segments, {frames} frames, {size} bytes on disk"
        + "".join(f"\n  {cause}" for cause in causes)
    )


def _manifests(recorder: Recorder) -> list[Manifest]:
    if recorder.tape is None or recorder.sealer is None:
        return []
    paths = [recorder.tape.manifest(name) for name in recorder.sealer.sealed]
    return [load(path) for path in paths if path.exists()]  # an empty journal leaves none
