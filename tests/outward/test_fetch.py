import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from prefsvc.outward.fetch import NotFetchedError, fetch
from prefsvc.settings import Settings
from tests.support.receiver import listening

CLOSED = Settings(delivery_timeout_seconds=5)
OPEN = Settings(
    delivery_timeout_seconds=5, outward_networks_allowed="127.0.0.0/8", sns_document_bytes_max=1000
)


@pytest.fixture
async def url():
    """Where this machine serves documents of every kind, right and wrong."""

    async def document(request):
        size = int(request.query.get("size", 3))
        status = int(request.query.get("status", 200))
        return web.Response(status=status, body=b"x" * size, headers={"Location": "/document"})

    async def broken(request):
        request.transport.abort()
        return web.Response()

    app = web.Application()
    app.add_routes([web.get("/document", document), web.get("/broken", broken)])
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


@pytest.mark.parametrize("size", [0, 3, 1000])
async def test_a_document_comes_whole(url, size):
    assert await fetch(OPEN, f"{url}document?size={size}") == b"x" * size


@pytest.mark.parametrize(
    "path",
    [
        "document?size=1001",
        "document?size=1000000",
        *(f"document?status={status}" for status in (204, 301, 302, 307, 403, 404, 500)),
        "broken",
        "nothing",
    ],
)
async def test_what_does_not_come_whole_does_not_come(url, path):
    with pytest.raises(NotFetchedError):
        await fetch(OPEN, url + path)


async def test_nothing_of_ours_is_connected_to():
    async with listening() as (port, visitors):
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            with pytest.raises(NotFetchedError):
                await fetch(CLOSED, f"https://{host}:{port}/")
    assert not visitors


@pytest.mark.parametrize("url", ["", "x", "https://", "https://none.invalid/", "ftp://example.com"])
async def test_what_leads_nowhere_is_not_fetched(url):
    with pytest.raises(NotFetchedError):
        await fetch(CLOSED, url)
