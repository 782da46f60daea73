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
    """Tell a recorder that is at work what to do.

    \b
    bp-record ctl status
    bp-record ctl --data /srv/tape subscribe trade.ETH_USDC 'bookTicker.*_PERP'
    bp-record ctl --data /srv/tape unsubscribe 'bookTicker.*_PERP'
    bp-record ctl roll && bp-tape ls

    It goes by a socket in the folder, which only the user who records may use. Exit code 0: done;
    1: no recorder is at work there, or it could not; 2: asked for something that cannot be.
    """
    context.obj = data


topics = click.argument("topics", metavar="TOPIC...", nargs=-1, required=True)


@ctl.command()
@topics
@click.pass_obj
def subscribe(data: Path, topics: tuple[str, ...]) -> None:
    """Record these topics too: names, or patterns, which pick up markets that are listed later.

    Prints the topics that are new.
    """
    _say_names(ask(data, Request("subscribe", _split(topics))))


@ctl.command()
@topics
@click.pass_obj
def unsubscribe(data: Path, topics: tuple[str, ...]) -> None:
    """Record these topics no more. A pattern picks up no new markets from here on.

    Prints the topics that are gone. Their books are cleared.
    """
    _say_names(ask(data, Request("unsubscribe", _split(topics))))


@ctl.command()
@as_json
@click.pass_obj
def status(data: Path, as_json: bool) -> None:
    """What is recorded, and how that is doing. JSON where nobody looks at it, as in a pipe."""
    found = msgspec.convert(ask(data, Request("status")), Status)
    if as_json or not Console().is_terminal:
        print_json(found)
    else:
        _show(found)


@ctl.command()
@click.pass_obj
def roll(data: Path) -> None:
    """End the segment now, so that it is sealed; prints the name of the next, which is open."""
    click.echo(ask(data, Request("roll")))


@ctl.command()
@click.pass_obj
def dump(data: Path) -> None:
    """Write what a flight recorder (--ring) holds, and what comes within --ring-after; prints
    what was written."""
    click.echo(ask(data, Request("dump")))


@ctl.command()
@click.pass_obj
def pause(data: Path) -> None:
    """Unsubscribe everything; the recorder stays connected, and remembers what is wanted."""
    ask(data, Request("pause"))


@ctl.command()
@click.pass_obj
def resume(data: Path) -> None:
    """Subscribe again what is wanted, after a pause."""
    ask(data, Request("resume"))


def _split(topics: tuple[str, ...]) -> list[str]:
    return [name.strip() for text in topics for name in text.split(",") if name.strip()]


def _say_names(names: list[str]) -> None:
    for name in names:
        click.echo(cell(name))


def _show(found: Status) -> None:
    state = "PAUSED, " if found.paused else ""
    link = f"connection {found.connection}{'' if found.connected else ' is down'}"
    click.echo(f"{state}process {found.pid}, session {found.session}, segment {found.segment}")
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
        )
        for line in found.topics
    ]
    show_table(("topic", "frames", "age", "book", "gaps"), lines)


def _link(link: LinkStatus) -> tuple[object, ...]:
    state = f"{link.conn}{'' if link.connected else ' is down'}"
    ping = "-" if link.round_trip_ns is None else f"{link.round_trip_ns / 1e6:.1f}ms"
    return link.place, state, ping, link.frames, link.copies
