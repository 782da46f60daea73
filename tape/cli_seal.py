"""The commands of ``bp-tape`` that make segments: seal and recover.

Their context's object makes engines, as this room knows none (see `replay.keeper`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from schemas.errors import BackpackError, TapeError, TooNew, UsageError
from tape import console
from tape.again import seal_again
from tape.batches import PrunedFile
from tape.cli_shards import EachShard, together
from tape.draft import SealEngine
from tape.generations import Generations, all_generations
from tape.layout import DAMAGED_ENDING, SegmentName, Tape
from tape.lock import lock, refuse_held, upkeep
from tape.manifest import Manifest, Verdict
from tape.recover import EngineFactory, open_damaged, perform, survey
from tape.seal import seal_alone
from tape.tasks import Task

_STEP = 1_024  # frames between two words to the progress bar

Line = tuple[object, ...]


@click.command(cls=EachShard)
@console.folder
@click.option("--again", is_flag=True, help="Rebuild the rows of segments that are sealed already.")
@click.option("--segment", "names", multiple=True, metavar="NAME", help="Only this; repeatable.")
@console.as_json
@click.pass_context
def seal(
    context: click.Context, data: Path, again: bool, names: tuple[str, ...], as_json: bool
) -> None:
    """Seal journals that a killed recorder left, as bp-record does at its next start.

    With --again, rebuild all rows from the frames, using the current version of this program. Files
    of frames are not touched. The new rows go into rows.g1/ (then rows.g2/ ...) beside the old
    ones, with a manifest of that generation; from then on readers use them. This also replaces rows
    that are damaged, missing or pruned. Segments whose frames were pruned cannot be rebuilt; they
    are named.

    Exits 0; 1 if a segment cannot be sealed, or its replay makes other rows than the recorder did;
    3 if something was lost while recording.

    \b
    Examples:
      bp-tape seal data/tape
      bp-tape seal --again data/tape && bp-tape diff data/tape
      bp-tape seal --again --segment 20261122T063000Z-3f9a.00001 data/tape
    """
    if names and not again:
        raise UsageError("--segment goes with --again: journals are sealed all together")
    tape, engine = Tape.open(data), _engine(context)
    with upkeep(data) if again else lock(data):
        chosen = _named(tape, names, together(context)) if again else []
        lines = list(_sealed_again(tape, chosen, engine) if again else _sealed(tape, engine))
    console.show_lines(_SEALED, lines, as_json, nothing="nothing to seal")
    context.exit(_sealed_code({str(line[2]) for line in lines}, again))


@click.command(cls=EachShard)
@console.folder
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@console.as_json
@click.pass_context
def recover(context: click.Context, data: Path, dry_run: bool, as_json: bool) -> None:
    """Repair a recording after a crash or damage, as far as possible.

    Journals are sealed. Missing or damaged manifests and rows are rebuilt from the frames. Sealing
    or compaction that was cut off is finished or rolled back. Unreadable files are moved aside
    (*.damaged); frames are never deleted. Refused while a recorder is running.

    Exits 0 if everything is recovered or there was nothing to do, 3 if something is lost, 1 if
    nothing could be recovered.

    \b
    Examples:
      bp-tape recover --dry-run data/tape     show what there is to do
      bp-tape recover data/tape && bp-tape verify data/tape
    """
    tape, engine = open_damaged(data), _engine(context)
    with ExitStack() as held:
        if dry_run:
            refuse_held(data)
        else:
            held.enter_context(lock(data))
            held.enter_context(upkeep(data))
        progress = held.enter_context(console.Progress("checking"))
        tasks = survey(tape, engine, progress.show)
        lines = list(_surveyed(tasks) if dry_run else _recovered(tasks))
    nothing = "nothing to recover: every segment is sealed, and its files are there"
    console.show_lines(_SURVEYED if dry_run else _RECOVERED, lines, as_json, nothing)
    if not dry_run:
        context.exit(_recovered_code(tape, lines))


_SEALED = ("segment", "generation", "verdict", "rows", "note")
_SURVEYED = ("path", "found", "to do")
_RECOVERED = ("path", "found", "done", "lost")
_FAILED = "failed"
_UNREAD = "unreadable"
_PRUNED = "pruned"


def _engine(context: click.Context) -> EngineFactory:
    engine: EngineFactory | None = context.obj
    if engine is None:
        raise BackpackError("no engine to replay with: run the installed command, bp-tape")
    return engine


def _sealed(tape: Tape, engine: Callable[[], SealEngine]) -> Iterator[Line]:
    for journal in tape.journals():
        name = SegmentName.of(journal)
        try:
            sealed = seal_alone(journal, tape, engine())
            yield _unread_line(journal) if sealed is None else _sealed_line(name, sealed)
        except TooNew:
            raise
        except TapeError as error:
            yield str(name), None, _FAILED, None, str(error)


def _unread_line(journal: Path) -> Line:
    name, kept = str(SegmentName.of(journal)), journal.with_name(journal.name + DAMAGED_ENDING)
    if kept.exists():
        return name, None, _UNREAD, None, f"no frame of it could be read: kept as {kept.name}"
    return name, None, None, None, "no frame in its journal"


def _sealed_line(name: SegmentName, manifest: Manifest) -> Line:
    note = "; ".join(manifest.losses) or None
    rows = sum(manifest.rows.values())
    return str(name), manifest.generation, manifest.verdict.value, rows, note


def _sealed_again(
    tape: Tape, chosen: Sequence[Generations], engine: Callable[[], SealEngine]
) -> Iterator[Line]:
    total = sum(one.current.frames for one in chosen if one.current is not None)
    done = 0
    with console.Progress("sealing again") as progress:

        def count() -> None:
            nonlocal done
            done += 1
            if done % _STEP == 0:
                progress.show(done, total)

        for segment in chosen:
            try:
                again = seal_again(tape, segment, engine(), count=count)
            except PrunedFile as error:
                yield str(segment.name), None, _PRUNED, None, str(error)
            except TapeError as error:
                yield str(segment.name), None, _FAILED, None, str(error)
            else:
                line = _sealed_line(segment.name, again.manifest)
                yield line if again.made else (*line[:-1], "its rows are those already")


def _named(tape: Tape, names: Sequence[str], every: Sequence[Path]) -> list[Generations]:
    """Those of one that are named, or all. every: where they may be, as in another shard."""
    try:
        wanted = set(map(SegmentName.parse, names))
    except TapeError as error:
        raise UsageError(f"--segment: {error}") from None
    if unknown := wanted - {name for root in every for name in Tape(root).generations()}:
        raise UsageError(f"no segment {', '.join(map(str, sorted(unknown)))} here: see bp-tape ls")
    return [one for one in all_generations(tape) if not wanted or one.name in wanted]


def _sealed_code(verdicts: set[str], again: bool) -> int:
    if verdicts & {_FAILED, Verdict.DIVERGENT.value}:
        return console.FAILED
    lossy = not again and bool(verdicts & {_UNREAD, Verdict.RECOVERED.value})
    return console.LOSSES if lossy else console.WHOLE


def _surveyed(tasks: Iterator[Task]) -> Iterator[Line]:
    for task in tasks:
        yield task.path, task.found, task.intent


def _recovered(tasks: Iterator[Task]) -> Iterator[Line]:
    for task in tasks:
        done, lost = perform(task)
        yield task.path, task.found, done, lost


def _recovered_code(tape: Tape, lines: Sequence[Line]) -> int:
    if not any(one.readable for one in all_generations(tape)):
        return console.FAILED
    return console.LOSSES if any(line[-1] is not None for line in lines) else console.WHOLE
