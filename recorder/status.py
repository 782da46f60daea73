"""How a recording is doing, as a value."""

import asyncio
import os
from contextlib import suppress

import msgspec

from recorder.recorder import Recorder
from recorder.tally import TopicLine

FREE_S = 2.0  # how long the disk may take to say how much is free


class TopicStatus(msgspec.Struct):
    """A topic that is recorded. age_ns: since its last frame; None before the first. book: its
    state, of depth topics."""

    topic: str
    frames: int
    age_ns: int | None
    book: str | None
    gaps: int


class Status(msgspec.Struct):
    """A recording as it is now.

    connection: number of the newest, 0 before the first; connected: whether it is up. trouble: what
    people have to know, empty if nothing. held_bytes: what waits for the disk. free_bytes: None
    where the disk does not answer.
    """

    pid: int
    session: str
    segment: int
    frames: int
    connection: int
    connected: bool
    paused: bool
    trouble: str
    held_bytes: int
    free_bytes: int | None
    wanted: tuple[str, ...]
    topics: list[TopicStatus]


async def status(recorder: Recorder) -> Status:
    """Of a recording that has begun."""
    program, link = recorder.program, recorder.link
    lines = {line.topic: line for line in recorder.tally.topics()}
    now = recorder.intake.clock().ts_recv
    names = program.names if program is not None else ()
    trouble = [recorder.store.disk.alarm, recorder.strain.alarm]
    trouble.append(str((link and link.trouble) or ""))
    trouble += [f"{name} was {no.why}" for name, no in recorder.account.refused.items()]
    return Status(
        pid=os.getpid(),
        session=recorder.store.session,
        segment=recorder.store.segment,
        frames=recorder.tally.frames,
        connection=link.conn if link else 0,
        connected=bool(link and link.is_open),
        paused=bool(program and program.paused),
        trouble="; ".join(text for text in trouble if text),
        held_bytes=recorder.intake.memory.held,
        free_bytes=await _free(recorder),
        wanted=recorder.wanted.texts,
        topics=[_topic(name, lines.get(name), now) for name in sorted(names)],
    )


def _topic(name: str, line: TopicLine | None, now: int) -> TopicStatus:
    if line is None:
        return TopicStatus(name, 0, None, None, 0)
    age = now - line.last if line.last else None
    return TopicStatus(name, line.frames, age, line.state or None, line.gaps)


async def _free(recorder: Recorder) -> int | None:
    if recorder.space is not None:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(FREE_S):
                return await recorder.space.free()
    return None
