"""HTTP as aiohttp reads it; but what it cannot read, it does not repeat.

aiohttp answers a malformed request line or header with the very bytes that it could not read, and
those may be a link with its token, or an address.
"""

from http import HTTPStatus

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from typing_extensions import override

from prefsvc.errors import BadRequest
from prefsvc.web.problems import problem


class Runner(web.AppRunner):
    """Runs the application behind a server that keeps malformed requests to itself."""

    @override
    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        loop, given = made._loop, made._kwargs  # noqa: SLF001 - a server cannot be told its protocol
        factory = made.request_factory
        return _Server(made.request_handler, request_factory=factory, loop=loop, **given)


class _Server(web.Server):
    @override
    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class _Protocol(RequestHandler):
    __slots__ = ()

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
