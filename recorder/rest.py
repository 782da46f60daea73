"""REST, no faster than the venue likes: at most 5 requests a second (protocol section 3.2)."""

import asyncio
from types import TracebackType
from typing import NamedTuple, Self

import aiohttp

from schemas.frames import Kind, RequestFailed, to_json

PER_SECOND = 5
LARGEST_BODY = 32 << 20  # it fits into a batch of the journal
BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)  # all requests wait, after a 429 or a 5xx
_BODY_IN_ERROR = 2_000


class Reply(NamedTuple):
    """Outcome of a request: a body, or why there is none."""

    body: bytes
    failure: RequestFailed | None

    @property
    def taped(self) -> tuple[Kind, bytes]:
        """Kind and payload of the frame that it becomes."""
        if self.failure is None:
            return Kind.REPLY, self.body
        return Kind.FAILED, to_json(self.failure)


class Rest:
    """GET requests to one base URL. Failures are values: they become frames."""

    def __init__(self, base_url: str, patience_s: float) -> None:
        self.base_url = base_url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=patience_s)
        self._turn = asyncio.Lock()
        self._next = 0.0
        self._troubles = 0

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=self._timeout, middlewares=(_ask_once,))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.close()

    async def turn(self) -> None:
        """Wait until another request may go out."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            while (wait := self._next - loop.time()) > 0:
                await asyncio.sleep(wait)  # and again, if somebody was told to slow down meanwhile
            self._next = loop.time() + 1 / PER_SECOND

    async def get(self, path: str) -> Reply:
        """Fetch a path (with its query). Never raises for what the venue or the network does."""
        try:
            async with self._http.get(self.base_url + path) as response:
                body = await _body(response)
                if response.status == 200:
                    self._troubles = 0
                    return Reply(body, None)
                return self._refused(response, body)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            text = " ".join(str(error).split()) or type(error).__name__  # some are of many lines
            return Reply(b"", RequestFailed(0, text[:_BODY_IN_ERROR], ""))

    def _refused(self, response: aiohttp.ClientResponse, body: bytes) -> Reply:
        if response.status == 429 or response.status >= 500:
            self._pause(response.headers.get("Retry-After", ""))
        text = body.decode(errors="replace")[:_BODY_IN_ERROR]
        return Reply(b"", RequestFailed(response.status, response.reason or "", text))

    def _pause(self, retry_after: str) -> None:
        """Nobody asks for a while; longer each time it happens again."""
        delay = BACKOFF_S[min(self._troubles, len(BACKOFF_S) - 1)]
        if retry_after.isascii() and retry_after.isdigit():
            delay = max(delay, min(float(retry_after), 600.0))
        self._troubles += 1
        self._next = max(self._next, asyncio.get_running_loop().time() + delay)


async def _ask_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """A connection that breaks is a failure to be taped; aiohttp would ask again, unseen and at
    once."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(str(error)) from error


async def _body(response: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > LARGEST_BODY:
            raise ValueError(f"reply of more than {LARGEST_BODY} bytes")
        parts.append(part)
    return b"".join(parts)
