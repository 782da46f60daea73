"""``bp-record ctl``: tells a recorder that is at work what to do."""

from pathlib import Path

import click
import msgspec
from rich.console import Console

from recorder.control_client import ask
from recorder.control_socket import Request
from recorder.status import LinkStatus, Status
from tape.console import Group, as_json, cell, print_json, show_table
from tape.quantities import pretty_size


@click.group(cls=Group)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("data/tape"),
    show_default=True,
    help="Folder of the recording.",
)
@click.pass_context
def ctl(context: click.Context, data: Path) -> None:
    """Control a running recorder.

    \b
    Examples:
      bp-record ctl status
      bp-record ctl --data /srv/tape subscribe trade.ETH_USDC 'bookTicker.*_PERP'
      bp-record ctl --data /srv/tape unsubscribe 'bookTicker.*_PERP'
      bp-record ctl roll && bp-tape ls

    It uses a socket in the recording's folder, which only the user who records may access. Exit
    code 0: done; 1: no recorder is running there, or it failed; 2: invalid request.
    """
    context.obj = data


topics = click.argument("topics", metavar="TOPIC...", nargs=-1, required=True)


@ctl.command()
@topics
@click.pass_obj
def subscribe(data: Path, topics: tuple[str, ...]) -> None:
    """Add topics: names, or patterns, which also pick up markets that are listed later.

    Prints the topics that were added.
    """
    _say_names(ask(data, Request("subscribe", _split(topics))))


@ctl.command()
@topics
@click.pass_obj
def unsubscribe(data: Path, topics: tuple[str, ...]) -> None:
    """Stop recording topics. A pattern stops picking up new markets.

    Prints the topics that were removed. Their books are cleared.
    """
    _say_names(ask(data, Request("unsubscribe", _split(topics))))


@ctl.command()
@as_json
@click.pass_obj
def status(data: Path, as_json: bool) -> None:
    """Show what is recorded and how it is doing: a table, or JSON in a pipe."""
    found = msgspec.convert(ask(data, Request("status")), Status)
    if as_json or not Console().is_terminal:
        print_json(found)
    else:
        _show(found)


@ctl.command()
@click.pass_obj
def roll(data: Path) -> None:
    """End the open segment now, so that it gets sealed; prints the name of the next one."""
    click.echo(ask(data, Request("roll")))


@ctl.command()
@click.pass_obj
def dump(data: Path) -> None:
    """Write what a flight recorder (--ring) holds, plus --ring-after of what follows; prints
    what was written."""
    click.echo(ask(data, Request("dump")))


@ctl.command()
@click.pass_obj
def pause(data: Path) -> None:
    """Unsubscribe everything, but stay connected and remember what to record."""
    ask(data, Request("pause"))


@ctl.command()
@click.pass_obj
def resume(data: Path) -> None:
    """Subscribe again after a pause."""
    ask(data, Request("resume"))


@ctl.command()
@click.pass_obj
def reload(data: Path) -> None:
    """Re-read the --config file, as SIGHUP does; prints what changed and what needs a restart."""
    click.echo(cell(ask(data, Request("reload"))))


def _split(topics: tuple[str, ...]) -> list[str]:
    return [name.strip() for text in topics for name in text.split(",") if name.strip()]


def _say_names(names: list[str]) -> None:
    for name in names:
        click.echo(cell(name))


def _show(found: Status) -> None:
    state = "PAUSED, " if found.paused else ""
    shard = f", shard {found.shard}" if found.shard else ""
    link = f"connection {found.connection}{'' if found.connected else ' is down'}"
    of = f"session {found.session}, segment {found.segment}{shard}"
    click.echo(f"{state}process {found.pid}, {of}")
    click.echo(f"{found.frames:,} frames, {link}")
    if len(found.links) > 1:
        show_table(("link", "connection", "ping", "frames", "copies"), [*map(_link, found.links)])
    free = "unknown" if found.free_bytes is None else pretty_size(found.free_bytes)
    click.echo(f"disk: {free} free, {pretty_size(found.held_bytes)} held in memory")
    if found.trouble:
        click.secho(f"trouble: {found.trouble}", fg="red")
    lines = [
        (
            line.topic,
            line.frames,
            "-" if line.age_ns is None else f"{line.age_ns / 1e9:.1f}s",
            line.book or "",
            line.gaps,
            line.silence or "",
        )
        for line in found.topics
    ]
    show_table(("topic", "frames", "age", "book", "gaps", "silence"), lines)


def _link(link: LinkStatus) -> tuple[object, ...]:
    state = f"{link.conn}{'' if link.connected else ' is down'}"
    ping = "-" if link.round_trip_ns is None else f"{link.round_trip_ns / 1e6:.1f}ms"
    return link.place, state, ping, link.frames, link.copies
