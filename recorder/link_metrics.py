"""Metrics of the connections."""

from collections.abc import Callable, Iterator

from recorder.link import Link
from recorder.metric import Labels, Metric, Read, counter, gauge, one
from recorder.unread import unread
from recorder.watch import Watch


def _is_open(watch: Watch) -> bool:
    links = watch.recorder.links
    return links is not None and links.is_open


def _each(read: Callable[[Link], float | None]) -> Read:
    """A sample for each link that has one."""

    def samples(watch: Watch) -> Iterator[tuple[Labels, float]]:
        for link in watch.recorder.links.each if watch.recorder.links else ():
            if (value := read(link)) is not None:
                yield (str(link.place),), value

    return samples


def _round_trip(link: Link) -> float | None:
    connection = link.connection
    return None if connection is None else connection.latency or None  # 0 before the first Pong


def _unread(link: Link) -> int | None:
    return None if link.connection is None else unread(link.connection)


LINKS: tuple[Metric, ...] = (
    gauge("connected", "1 while a websocket is connected, else 0.", one(_is_open)),
    gauge(
        "link_connected",
        "1 while this one of the --connections is connected, else 0.",
        *(_each(lambda link: link.is_open), "link"),
    ),
    gauge(
        "connection_number",
        "Number of the newest connection, as in the recording's column conn; 0 before the first.",
        one(lambda watch: watch.recorder.links.newest if watch.recorder.links else 0),
    ),
    counter(
        "link_frames_total",
        "Messages that came by this link first: frames of the recording, unless they were shed.",
        *(_each(lambda link: link.frames), "link"),
    ),
    counter(
        "link_copies_total",
        "Messages that another link had brought already; when they came is in the recording.",
        *(_each(lambda link: link.copies), "link"),
    ),
    gauge(
        "ping_round_trip_seconds",
        "From our newest Ping to the venue's Pong; none while not connected, or before the first.",
        *(_each(_round_trip), "link"),
    ),
    gauge(
        "socket_unread_bytes",
        "Bytes in the kernel that we have not read yet: the only queue there is. More than a few"
        " MB that stay: the recorder does not keep up, and stamps come late.",
        *(_each(_unread), "link"),
    ),
)
