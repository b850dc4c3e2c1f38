"""HTTP as aiohttp reads it; but what it cannot read, it does not repeat, and nobody takes for ever.

aiohttp answers a malformed request line or header with the very bytes that it could not read, and
those may be a link with its token, or an address. And it waits for the head of a request, and for
whoever reads an answer, as long as they like.
"""

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from typing_extensions import override

from prefsvc.errors import BadRequest
from prefsvc.settings import Settings
from prefsvc.web.connections import Connections
from prefsvc.web.problems import problem

_LINGER_POLL_SECONDS: Final = 0.01


class Runner(web.AppRunner):
    """Runs the application behind a server that keeps malformed requests to itself."""

    def __init__(self, app: web.Application, settings: Settings) -> None:
        """Serve the application within these limits."""
        super().__init__(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=settings.shutdown_grace_seconds,
            keepalive_timeout=settings.keep_alive_seconds,
            max_line_size=settings.header_bytes_max,
            max_field_size=settings.header_bytes_max,
            handler_cancellation=False,
        )
        self._connections = Connections(settings)
        self._watching: asyncio.Task[None] | None = None

    @override
    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        loop, given = made._loop, made._kwargs  # noqa: SLF001 - a server cannot be told its protocol
        factory = made.request_factory
        self._watching = loop.create_task(self._connections.watch(), name="connections")
        return _Server(
            made.request_handler,
            connections=self._connections,
            request_factory=factory,
            loop=loop,
            **given,
        )

    @override
    async def cleanup(self) -> None:
        await super().cleanup()
        if self._watching:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching

    async def linger(self, seconds: float) -> None:
        """Let those who are connected ask once more, who may have begun to: at most so long.

        Whoever is answered meanwhile is told that the connection ends.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + seconds
        server = self.server
        # Looked at again and again, so that nothing of this is on the way of a request.
        while isinstance(server, _Server) and server.is_waited_at and clock() < until:  # noqa: ASYNC110
            await asyncio.sleep(_LINGER_POLL_SECONDS)


class _Server(web.Server):
    def __init__(self, handler: Any, *, connections: Connections, **given: Any) -> None:
        super().__init__(handler, **given)
        self.who = connections

    @property
    def is_waited_at(self) -> bool:
        """Say whether anybody is connected of whom no request is under way."""
        return any(isinstance(one, _Protocol) and one.is_waiting() for one in self._connections)

    @override
    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class _Protocol(RequestHandler):
    __slots__ = ("_full_since", "_head_since", "_received", "_server")

    def __init__(self, server: _Server, **given: Any) -> None:
        super().__init__(server, **given)
        self._server = server
        self._received = 0
        self._head_since: float | None = None
        self._full_since: float | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        now = self._loop.time()
        peer = transport.get_extra_info("peername")
        host = peer[0] if isinstance(peer, tuple) else None
        if not self._server.who.admit(self, host, now):
            transport.abort()  # type: ignore[attr-defined] # every transport of a stream has it
            return
        self._head_since = now
        super().connection_made(transport)

    @override
    def connection_lost(self, exc: BaseException | None) -> None:
        self._server.who.leave(self)
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        before = self._request_count
        self._received += len(data)
        super().data_received(data)
        if self._request_count != before:
            self._head_since = None
        elif self._head_since is None and data and self._waiter is not None:
            self._head_since = self._loop.time()

    @override
    def pause_writing(self) -> None:
        self._full_since = self._loop.time()
        super().pause_writing()

    @override
    def resume_writing(self) -> None:
        self._full_since = None
        super().resume_writing()

    def is_waiting(self) -> bool:
        """Say whether it is connected and no request is under way."""
        is_busy = self._request_in_progress or self._messages
        return self.transport is not None and not is_busy

    def waiting_since(self) -> float:
        """Return since when no request is under way: aiohttp notes when that will be too long."""
        return self._next_keepalive_close_time - self._keepalive_timeout

    def head_since(self) -> float | None:
        """Return since when the head of a request has been arriving, or could have been."""
        return self._head_since

    def reader_since(self) -> float | None:
        """Return since when what is buffered for the reader has been too much."""
        return self._full_since

    def body_received(self) -> int | None:
        """Return how much has arrived in all, while a body is arriving that somebody waits for."""
        request = self._current_request
        if request is None or self._reading_paused or request.content.is_eof():
            return None
        return self._received

    def hang_up(self) -> None:
        """End the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    @override
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer with a problem document instead of the parser's own words."""
        answer = super().handle_error(request, status, exc, message)
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            answer = problem(status, BadRequest.code, str(BadRequest()))
            answer.force_close()
        return answer
