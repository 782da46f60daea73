"""Serves ``/metrics`` and ``/healthz`` to whoever looks after a recorder."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from recorder.health import problems
from recorder.messages import Level, Message
from recorder.metric import CONTENT_TYPE, expose
from recorder.metrics import read
from recorder.recorder import Notice, Recorder
from recorder.settings import Listen
from recorder.watch import Watch
from recorder.worker import Worker
from schemas.errors import ConfigError

UNWELL = 503
LARGEST_REQUEST = 16 << 10  # bytes of a body; nobody has to send one
TRY_EVERY_S = 0.5  # a port that another recorder is about to leave
CLOSING_S = 1.0  # for a reply on its way, at the end


class StatusServer:
    """Answers GET and HEAD; all else is refused with 404 or 405. Only the numbers are picked up in
    the event loop; a thread writes them out."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._writer = Worker("metrics")
        app = web.Application(client_max_size=LARGEST_REQUEST)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._health)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=CLOSING_S, logger=_nobody()
        )

    async def open(self, where: Listen) -> int:
        """Listen; the port. Raises ConfigError where that cannot be."""
        if self._runner.server is None:
            await self._runner.setup()
        site = web.TCPSite(self._runner, where.host, where.port)
        try:
            await site.start()
        except OSError as error:
            await site.stop()
            raise ConfigError(
                f"--metrics-port {where.port} on {where.host}: {error.strerror or error}; stop what"
                " listens there, or take another port"
            ) from None
        port: int = self._runner.addresses[0][1]
        return port

    async def close(self) -> None:
        """Listen no more."""
        await self._runner.cleanup()
        self._writer.close()

    async def _metrics(self, request: web.Request) -> web.Response:
        del request
        readings = read(self._watch)
        text = await self._writer.do(lambda: expose(readings).encode())
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})

    async def _health(self, request: web.Request) -> web.Response:
        del request
        found = problems(self._watch)
        if not found:
            return web.json_response({"status": "ok"})
        reasons = [problem._asdict() for problem in found]
        return web.json_response({"status": "unwell", "reasons": reasons}, status=UNWELL)


@asynccontextmanager
async def watched(
    recorder: Recorder, notice: Notice = lambda text: None
) -> AsyncIterator[int | None]:
    """Serve what there is to see of a recorder, if its settings say where; the port, of which
    ``notice`` hears too. Raises ConfigError where that is taken, before anything is recorded."""
    where = recorder.settings.metrics
    if where is None:
        yield None
        return
    watch = Watch(recorder)
    server = StatusServer(watch)
    opening = asyncio.create_task(_open_later(server, where, notice))
    try:
        port = None
        if not recorder.settings.take_over:
            opening.cancel()
            port = await server.open(where)
            notice(_served(where.host, port))
        async with watch.looking():
            yield port
    finally:
        opening.cancel()
        await server.close()


async def _open_later(server: StatusServer, where: Listen, notice: Notice) -> None:
    """The recorder that is taken over may listen there until it has ended."""
    said = False
    while True:
        try:
            port = await server.open(where)
        except ConfigError as error:
            if not said:
                notice(Message(f"no metrics yet: {error}", "not_serving", Level.WARNING))
            said = True
            await asyncio.sleep(TRY_EVERY_S)
        else:
            notice(_served(where.host, port))
            return


def _served(host: str, port: int) -> Message:
    where = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    return Message(f"metrics at {where}/metrics, health at {where}/healthz", "serving", port=port)


def _nobody() -> logging.Logger:
    """What is no HTTP is answered with 400, and whoever scrapes sees a 500: nobody else has to
    know."""
    logger = logging.getLogger("recorder.status_server")
    logger.disabled = True
    return logger
