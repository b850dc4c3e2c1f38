"""GET …/checkpoints: the ledger's signed checkpoints, to be kept where nobody here can reach."""

from aiohttp import web

from prefsvc import checkpoints
from prefsvc.db.lanes import lane
from prefsvc.web.auth import admitted
from prefsvc.web.problems import breaking_off


async def get_checkpoints(request: web.Request) -> web.StreamResponse:
    """GET /v1/brands/{brand}/ledger/checkpoints: NDJSON, one checkpoint a line."""
    entry = await admitted(request, "operator")
    response = web.StreamResponse(
        headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"}
    )
    with lane("streams"):
        async with entry.service.database.read() as tx:
            await response.prepare(request)
            with breaking_off(request):
                async for line in checkpoints.exported(tx, entry.brand):
                    await response.write(line)
    await response.write_eof()
    return response
