"""What a test needs of a plain client: subscribe, GET, hear nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import aiohttp
from websockets.asyncio.client import ClientConnection

from tests.venue.server import Venue


async def subscribe(ws: ClientConnection, *topics: str, method: str = "SUBSCRIBE") -> None:
    """Send one SUBSCRIBE (or other) request; success gets no answer."""
    await ws.send(json.dumps({"method": method, "params": list(topics)}))


async def get(venue: Venue, target: str) -> tuple[int, str, str]:
    """Status, body and Retry-After of one GET."""
    async with aiohttp.ClientSession() as client, client.get(venue.rest_url + target) as reply:
        return reply.status, await reply.text(), reply.headers.get("Retry-After", "")


async def silent(ws: ClientConnection) -> bool:
    """Whether nothing comes for a moment."""
    try:
        await asyncio.wait_for(ws.recv(), 0.05)
    except TimeoutError:
        return True
    return False


def run(scene: Callable[[], Awaitable[None]]) -> None:
    """Run one scene within 20 s."""

    async def limited() -> None:
        await asyncio.wait_for(scene(), 20)

    asyncio.run(limited())
