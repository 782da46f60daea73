"""``bp-tape``: look after recordings."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from tape import cli_export, cli_union, console, picture
from tape.cli_ids import ids
from tape.cli_prune import prune
from tape.cli_rows import compact, diff
from tape.cli_seal import recover, seal
from tape.coverage import covered_by
from tape.finding import Finding
from tape.forecast import pretty_days
from tape.layout import SegmentName, Tape
from tape.plugins import plugins
from tape.prunings import Pruned, pruned
from tape.recordings import Recording, missing_shards, notes, recordings, tapes
from tape.stored import stored_bytes
from tape.summary import Summary, summarize_all
from tape.totals import Totals, tables
from tape.verify import verify
from tape.version import code_version


class _Commands(console.Group):
    """Our commands, and those of other rooms."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *plugins()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = None if cmd_name in self.commands else plugins().get(cmd_name)
        if entry is not None:
            self.add_command(entry.load(), cmd_name)
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Commands)
@click.version_option(code_version())
def cli() -> None:
    """Inspect, check, repair and export recordings made by bp-record.

    DATA is a recording's folder; the default is data/tape. If it holds several shards, ls, info,
    verify, ids, export and union read them as one; the other commands take one after another, and
    exit as the worst of them.

    \b
    Examples:
      bp-tape ls                        segments, one per line
      bp-tape ls --coverage             when each topic was recorded, and when not
      bp-tape info data/tape            what is in it, and what is missing
      bp-tape ids data/tape             ranges of trade ids without a hole
      bp-tape heal data/tape            fetch missing trades over REST
      bp-tape verify data/tape          check every file against its manifest
      bp-tape recover data/tape         repair what a crash or a bad disk left
      bp-tape compact data/tape         merge hourly files of rows into daily ones
      bp-tape prune --keep 90d          delete segments that are older
      bp-tape export data/tape out      plain files, one per table
      bp-tape union A B --out C         merge several recordings
      bp-tape info --json | jq .topics  output for programs
    """


@cli.command()
@console.folder
@console.as_json
@click.option("--coverage", "covered", is_flag=True, help="When each topic was recorded, by day.")
def ls(data: Path, as_json: bool, covered: bool) -> None:
    """List the segments of a recording in order, or show when each topic was recorded.

    \b
    Verdicts:
      certified  a replay makes exactly the rows that the live recorder made
      frames     the same frames; the rows were made by an older version of this program
      divergent  a replay makes other rows: a bug, please report it
      recovered  the recorder was cut off, or bytes were lost
      open       not sealed yet

    Column "end" says why a segment ended: roll, stop, handover to another process, or a dump of the
    ring and its reason.

    \b
    Examples:
      bp-tape ls data/tape
      bp-tape ls --coverage data/tape          a bar per topic and day
      bp-tape ls --coverage --json data/tape   what is missing, from when to when, and why
    """
    if covered:
        _show_coverage(recordings(data), as_json)
        return
    there = recordings(data)
    lines = [line for each in there for line in _segment_lines(each, data)]
    console.show_lines(_SEGMENT_COLUMNS, lines, as_json)
    console.say_notes(notes(there))


@cli.command()
@console.folder
@console.as_json
def info(data: Path, as_json: bool) -> None:
    """Summarize a recording: times, frames per topic, rows per table, gaps and losses.

    "bytes per day" is the average of the last seven days recorded; "days left" says when the disk
    will be full at that rate.

    Example: bp-tape info data/tape
    """
    there = recordings(data)
    summary = summarize_all(there)
    console.say_notes(missing_shards(each.tape for each in there))
    if as_json:
        console.print_json(summary)
        return
    console.show_table(("recording", str(data)), _overview(summary))
    _show_counts(("topic", "frames"), summary.topics)
    _show_counts(("table", "rows"), summary.rows)
    _show_counts(("without a handler", "frames"), summary.unknown)
    _show_doubts(summary.doubts)
    if summary.dumps:
        click.echo()
        console.show_table(("dump", "why"), [*summary.dumps.items()])
    if summary.losses:
        click.echo()
        console.show_table(("losses",), [(loss,) for loss in summary.losses])


@cli.command("verify")
@console.folder
@console.as_json
@click.pass_context
def verify_command(context: click.Context, data: Path, as_json: bool) -> None:
    """Check every file of a recording against its manifest: presence, size, sha256, order.

    Exits 0 if the recording is whole; 1 if files are damaged, missing or unknown; 3 if all files
    are as they were sealed, but something was lost while recording. Pruned segments do not count as
    missing; a note names them.

    Example: bp-tape verify data/tape && echo whole
    """
    there, findings = tapes(data), list[Finding]()
    for tape in there:
        with console.Progress("verifying") as progress:
            found = verify(tape, progress.show)
        findings += [each._replace(path=_place(tape, data) + each.path) for each in found]
    if as_json:
        console.print_json([finding._asdict() for finding in findings])
    else:
        _show_findings(findings)
    console.say_notes(missing_shards(there))
    console.say_notes(note for tape in there for note in pruned(tape).notes())
    damaged = any(finding.damage for finding in findings)
    context.exit(console.FAILED if damaged else console.LOSSES if findings else console.WHOLE)


for command in (seal, diff, compact, prune, recover, cli_export.command, cli_union.command, ids):
    cli.add_command(command)


_SEGMENT_COLUMNS = (
    *("segment", "verdict", "from", "seconds", "frames", "rows", "bytes"),
    *("end", "pruned", "heals"),
)


def _place(tape: Tape, data: Path) -> str:
    """What stands before names in a shard; nothing where the recording is the folder itself."""
    return "" if tape.root == data else f"{tape.root.name}/"


def _segment_lines(recording: Recording, data: Path) -> list[tuple[object, ...]]:
    tape, manifests, away = recording
    place = _place(tape, data)
    sealed: list[tuple[object, ...]] = [
        (
            f"{place}{manifest.name}",
            manifest.verdict.value,
            _moment(manifest.first_ts),
            _seconds(manifest.first_ts, manifest.last_ts),
            manifest.frames,
            sum(manifest.rows.values()),
            sum(stored_bytes(tape, manifest, away)),
            manifest.end,
            _lacking(manifest.name, away),
            "trades" if manifest.heals else None,
        )
        for manifest in manifests
    ]
    nothing = (None,) * 4
    waiting = [
        (f"{place}{SegmentName.of(path)}", "open", *nothing, path.stat().st_size, *[None] * 3)
        for path in tape.journals()
    ]
    return sealed + waiting


def _lacking(name: SegmentName, away: Pruned) -> str | None:
    """What of a segment was pruned."""
    found = ["frames"] * (name in away.frames) + ["rows"] * (name in away.rows)
    return ", ".join(found) or None


def _overview(summary: Summary) -> list[tuple[str, object]]:
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in summary.verdicts.items())
    return [
        ("segments", f"{summary.segments} ({verdicts})" if verdicts else summary.segments),
        ("sessions", summary.sessions),
        *([("that heal others", summary.heals)] if summary.heals else []),
        ("not sealed", f"{summary.open_journals}{' (recording)' if summary.recording else ''}"),
        ("from", _moment(summary.first_ts)),
        ("to", _moment(summary.last_ts)),
        ("frames", summary.frames),
        ("gaps", summary.gaps),
        ("rejects", summary.rejects),
        ("bytes of frames", summary.frames_bytes),
        ("bytes of rows", summary.rows_bytes),
        ("bytes per frame", _bytes_per_frame(summary)),
        ("bytes per day", summary.forecast.bytes_per_day),
        ("days left", pretty_days(summary.forecast.days_left)),
        *(("pruned", note) for note in summary.pruned),
    ]


def _bytes_per_frame(summary: Summary) -> str | None:
    if not summary.frames:
        return None
    frames, rows = (n / summary.frames for n in (summary.frames_bytes, summary.rows_bytes))
    return f"{frames:.1f} as frames, {rows:.1f} as rows"


def _show_counts(columns: Sequence[str], counts: Mapping[str, int]) -> None:
    """A table of counts, the largest first; nothing where there are none."""
    if counts:
        click.echo()
        largest_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        console.show_table(columns, largest_first)


def _show_coverage(there: Sequence[Recording], as_json: bool) -> None:
    console.say_notes(missing_shards(each.tape for each in there))
    days = covered_by(there)
    if as_json:
        console.print_json(days)
    else:
        picture.show(days)


def _show_doubts(doubts: Totals) -> None:
    for columns, lines in tables(doubts):
        click.echo()
        console.show_table(columns, lines)


def _show_findings(findings: Sequence[Finding]) -> None:
    if not findings:
        click.echo("whole: every file is as it was sealed")
        return
    console.show_table(
        ("finding", "file", "problem"),
        [("damage" if f.damage else "loss", f.path, f.problem) for f in findings],
    )


def _moment(ts: int | None) -> str | None:
    """A time in ns as ISO 8601 in UTC, to the ms."""
    if ts is None:
        return None
    seconds, ns = divmod(ts, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns // 1_000_000:03d}Z"


def _seconds(first: int, last: int) -> str:
    return f"{(last - first) / 1e9:.3f}"
