"""HTTP as aiohttp reads it; but what it cannot read, it does not repeat.

aiohttp answers a malformed request line or header with the very bytes that it could not read, and
those may be a link with its token, or an address.
"""

import asyncio
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from typing_extensions import override

from prefsvc.errors import BadRequest
from prefsvc.web.problems import problem

_LINGER_POLL_SECONDS: Final = 0.01


class Runner(web.AppRunner):
    """Runs the application behind a server that keeps malformed requests to itself."""

    @override
    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        loop, given = made._loop, made._kwargs  # noqa: SLF001 - a server cannot be told its protocol
        factory = made.request_factory
        return _Server(made.request_handler, request_factory=factory, loop=loop, **given)

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
    @property
    def is_waited_at(self) -> bool:
        """Say whether anybody is connected of whom no request is under way."""
        return any(isinstance(one, _Protocol) and one.is_idle for one in self._connections)

    @override
    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class _Protocol(RequestHandler):
    __slots__ = ()

    @property
    def is_idle(self) -> bool:
        """Say whether it is connected and no request is under way."""
        is_busy = self._request_in_progress or self._messages
        return self.transport is not None and not is_busy

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
