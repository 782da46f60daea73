"""What a recording has to say for itself at its end."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from recorder.recorder import Recorder
from recorder.silences import LOST, Silences
from schemas.frames import Judgement
from tape.console import FAILED, LOSSES, WHOLE
from tape.forecast import pretty_days
from tape.manifest import Verdict

Fact = tuple[object, ...]

_TOPIC_LINES = 40
_ALIKE = 10  # lines that a person sees of facts with one name, such as topics that were silent


def print_summary(console: Console, recorder: Recorder) -> None:
    """Frames per topic, rows per table, gaps, verdicts, and where it all is; in a pipe one fact to
    a line, its parts between tabs."""
    tally = recorder.tally
    if not tally.frames:
        return
    topics = tally.topics()
    shown = sorted(topics, key=lambda line: (-line.frames, line.topic))[:_TOPIC_LINES]
    _print_counts(console, "topic", "frames", {line.topic: line.frames for line in shown})
    if len(topics) > len(shown):
        _tell(console, ("more topics", len(topics) - len(shown)))
    _print_counts(console, "table", "rows", dict(sorted(tally.rows.items())))
    _tell_all(console, (*_doubts(recorder), *_verdicts(recorder)))


def exit_code(recorder: Recorder) -> int:
    """0 all certified or handed over, 1 something failed or diverged, 3 recorded with losses."""
    if recorder.handed_over:
        return WHOLE  # whoever supervises it must not start it again
    verdicts = recorder.sealer.sealed.totals.keys() if recorder.sealer else ()
    if Verdict.DIVERGENT in verdicts or (recorder.sealer and recorder.sealer.failed):
        return FAILED
    tally = recorder.tally
    if (
        tally.gaps.total() > tally.holes.healed
        or tally.rows["reject"]
        or tally.errors
        or tally.mismatches
    ):
        return LOSSES
    if tally.silences.verdicts[Judgement.DEAD]:
        return LOSSES
    if recorder.stopped or recorder.account.refused or recorder.intake.memory.lost.frames:
        return LOSSES
    if recorder.load_alarm.lost or recorder.load_alarm.skipped:
        return LOSSES
    if recorder.sealer and (recorder.sealer.left or recorder.sealer.lost):
        return LOSSES
    return WHOLE if all(verdict is Verdict.CERTIFIED for verdict in verdicts) else LOSSES


def forecast(recorder: Recorder) -> str:
    """How long the disk will do, in a line; empty while nobody can tell."""
    return recorder.outlook.text(recorder.sealer.free if recorder.sealer is not None else None)


def _print_counts(console: Console, name: str, unit: str, counts: dict[str, int]) -> None:
    if not console.is_terminal:
        for key, count in counts.items():
            _tell(console, (name, key, count, unit))
        return
    table = Table(name, unit, box=None)
    table.columns[1].justify = "right"
    for key, count in counts.items():
        table.add_row(Text(_cell(key)), f"{count:,}")
    console.print(table)


def _tell_all(console: Console, facts: Iterable[Fact]) -> None:
    """All of them in a pipe; on a terminal the first of those that have one name."""
    for name, group in groupby(facts, key=itemgetter(0)):
        alike = list(group)
        shown = alike[:_ALIKE] if console.is_terminal else alike
        for fact in shown:
            _tell(console, fact)
        if len(alike) > len(shown):
            _tell(console, (name, f"and {len(alike) - len(shown)} more"))


def _tell(console: Console, fact: Fact) -> None:
    name, *parts = map(_cell, fact)
    if console.is_terminal:
        console.print(Text(f"{name}: {' '.join(parts)}"), soft_wrap=True)
    else:
        print(name, *parts, sep="\t")


def _cell(value: object) -> str:
    """On one line and in one cell, whatever a venue put into it."""
    text = str(value)
    return text if text.isprintable() else ascii(text)[1:-1]


def _doubts(recorder: Recorder) -> Iterator[Fact]:
    tally = recorder.tally
    yield "gaps", sum(tally.gaps.values())
    if tally.holes.healed:
        yield "healed", tally.holes.healed, "gaps: all trades came late, or by REST"
    going_on = tally.holes.open
    for name, count in sorted(tally.gaps.items()):
        yield "gap", name, count, *((going_on[name], "open") if going_on[name] else ())
    if tally.without_book_ns:
        yield "without a book", f"{tally.without_book_ns / 1e9:.3f}", "s, all streams together"
    if recorder.intake.engine.audited:
        yield "books compared", recorder.intake.engine.audited, "times"
    if recorder.intake.engine.unaudited:
        yield "snapshots not compared", recorder.intake.engine.unaudited
    for name, count in sorted(tally.mismatches.items()):
        yield "audit mismatches", name, count
    yield from _load(recorder)
    yield from _disk(recorder)
    for topic, refusal in sorted(recorder.account.refused.items()):
        yield "refused to the end", topic, refusal.why
    yield from _silences(tally.silences)
    yield "rejects", tally.rows["reject"]
    yield "error replies", tally.errors
    links = recorder.links.each if recorder.links is not None else []
    for link in links if len(links) > 1 else ():
        yield "link", link.place, link.frames, "frames", link.copies, "copies"
    yield from _left_raw(recorder)
    heard = {line.topic for line in tally.topics() if line.frames}
    for topic in recorder.topics:
        if topic not in heard:
            yield "never heard of", topic


def _left_raw(recorder: Recorder) -> Iterator[Fact]:
    """What made no rows, for good reason."""
    yield "repeats ignored", recorder.intake.engine.repeats
    for name, count in sorted(recorder.intake.engine.unknown.items()):
        yield "kept raw", name, count, "frames"


def _silences(silences: Silences) -> Iterator[Fact]:
    """What said nothing though it ought to, and what did so to the end."""
    if dead := silences.verdicts[Judgement.DEAD]:
        yield "found dead", dead, "times"
    for action, count in sorted(silences.actions.items()):
        yield "done about it", action, count, "times"
    for verdict in LOST:
        for topic, why in silences.of(verdict).items():
            yield f"{verdict} to the end", topic, why


def _load(recorder: Recorder) -> Iterator[Fact]:
    """What it has cost not to keep up."""
    if recorder.load_alarm.skipped:
        yield "kept without rows, not keeping up", recorder.load_alarm.skipped, "frames"
    if recorder.load_alarm.lost:
        yield "lost, not keeping up", recorder.load_alarm.lost, "frames"


def _disk(recorder: Recorder) -> Iterator[Fact]:
    """What memory and disk have cost."""
    lost, disk = recorder.intake.memory.lost, recorder.store.disk
    if lost.frames:
        yield "lost for want of memory", lost.frames, "frames", lost.bytes, "bytes"
    if disk.trouble:
        yield "disk", disk.trouble
    elif disk.lasted:
        yield "disk in trouble", f"{disk.lasted:.1f}", "s"
    if recorder.ring is not None:
        yield "dumps of the ring", recorder.ring.dumps.count
    if recorder.stopped:
        yield "stopped early", recorder.stopped.partition(": ")[2]


def _verdicts(recorder: Recorder) -> Iterator[Fact]:
    """A fact for each verdict; all segments sealed by this run, an earlier run's among them."""
    if recorder.tape is None or recorder.sealer is None:
        return
    sealed = recorder.sealer.sealed
    for verdict, total in sealed.totals.items():
        parts = (total.segments, "segments", total.frames, "frames", total.bytes, "bytes")
        yield "verdict", verdict.value, *parts
    if sealed.forgotten:
        yield "losses", sealed.forgotten, "before these: bp-tape info tells them"
    for name, loss in sealed.losses:
        yield "loss", name, loss
    yield from _growth(recorder)
    for path in recorder.sealer.failed:
        yield "not sealed", path, "kept for the next start"
    for path, why in recorder.sealer.left.items():
        yield "not sealed", path, f"{why}: left to bp-tape recover"
    for name, problem in recorder.sealer.lost.items():
        yield "lost", name, problem
    if recorder.handed_over:
        yield "handed over", recorder.handed_over.rpartition(" ")[2]
    yield "recording", recorder.tape.root, "session", recorder.store.session


def _growth(recorder: Recorder) -> Iterator[Fact]:
    """How fast the recording grows, and what was pruned for that."""
    outlook, retention = recorder.outlook, recorder.retention
    if outlook.per_day:
        yield "per day", outlook.per_day, "bytes"
        free = recorder.sealer.free if recorder.sealer is not None else None
        if (days := pretty_days(outlook.days_left(free))) is not None:
            yield "disk full in", days, "days"
        if (days := pretty_days(outlook.days_kept)) is not None:
            yield "--keep takes effect in", days, "days"
    if retention is not None:
        yield "pruned", retention.segments, "segments", retention.freed, "bytes"
        for name, why in retention.spared.items():
            yield "spared", name, why
