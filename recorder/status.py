"""How a recording is doing, as a value."""

import asyncio
import os
from contextlib import suppress

import msgspec

from recorder.link import Link
from recorder.recorder import Recorder
from recorder.tally import TopicLine

FREE_S = 2.0  # how long the disk may take to say how much is free


class TopicStatus(msgspec.Struct):
    """A topic that is recorded. age_ns: since its last frame; None before the first. book: its
    state, of depth topics. silence: what it is taken for while it says nothing."""

    topic: str
    frames: int
    age_ns: int | None
    book: str | None
    gaps: int
    silence: str | None = None


class LinkStatus(msgspec.Struct):
    """One of the connections that are kept up, by its place, from 1. conn: number of its newest, 0
    before the first. round_trip_ns: of a ping; None where there was none. frames: that it brought
    first; copies: after another."""

    place: int
    conn: int
    connected: bool
    round_trip_ns: int | None
    frames: int
    copies: int


class Status(msgspec.Struct):
    """A recording as it is now.

    connection: number of the newest, 0 before the first; connected: whether any is up. links: those
    kept up at once. trouble: what people have to know, empty if nothing. held_bytes: what waits for
    the disk. free_bytes: None where the disk does not answer. shard: as in ``2/4``; None for all
    markets.
    """

    pid: int
    session: str
    segment: int
    frames: int
    connection: int
    connected: bool
    links: list[LinkStatus]
    paused: bool
    trouble: str
    held_bytes: int
    free_bytes: int | None
    wanted: tuple[str, ...]
    topics: list[TopicStatus]
    shard: str | None = None


async def status(recorder: Recorder) -> Status:
    """Of a recording that has begun."""
    program, links = recorder.program, recorder.links
    lines = {line.topic: line for line in recorder.tally.topics()}
    now = recorder.intake.clock().ts_recv
    names = program.names if program is not None else ()
    trouble = [recorder.store.disk.alarm, recorder.load_alarm.alarm]
    trouble.append(str((links and links.trouble) or ""))
    trouble += [f"{name} was {no.why}" for name, no in recorder.account.refused.items()]
    return Status(
        pid=os.getpid(),
        session=recorder.store.session,
        segment=recorder.store.segment,
        frames=recorder.tally.frames,
        connection=links.newest if links else 0,
        connected=bool(links and links.is_open),
        links=[_link(link) for link in links.each] if links else [],
        paused=bool(program and program.paused),
        trouble="; ".join(text for text in trouble if text),
        held_bytes=recorder.intake.memory.held,
        free_bytes=await _free(recorder),
        wanted=recorder.wanted.texts,
        topics=[_topic(name, lines.get(name), now) for name in sorted(names)],
        shard=recorder.settings.shard_name or None,
    )


def _link(link: Link) -> LinkStatus:
    latency = link.connection.latency if link.connection is not None else 0
    round_trip = int(latency * 1e9) or None
    return LinkStatus(link.place, link.conn, link.is_open, round_trip, link.frames, link.copies)


def _topic(name: str, line: TopicLine | None, now: int) -> TopicStatus:
    if line is None:
        return TopicStatus(name, 0, None, None, 0)
    age = now - line.last if line.last else None
    return TopicStatus(name, line.frames, age, line.state or None, line.gaps, line.silence or None)


async def _free(recorder: Recorder) -> int | None:
    if recorder.space is not None:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(FREE_S):
                return await recorder.space.free()
    return None
