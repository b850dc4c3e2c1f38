"""GET …/checkpoints: the ledger's signed checkpoints, to be kept where nobody here can reach."""

from collections.abc import AsyncIterator

import msgspec
from aiohttp import web

from prefsvc.cursor import BUCKET_COUNT
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.web.auth import Entry, admitted
from prefsvc.web.opt_out_api import moment
from prefsvc.web.problems import breaking_off

PAGE_ROWS = 1000


async def get_checkpoints(request: web.Request) -> web.StreamResponse:
    """GET /v1/brands/{brand}/ledger/checkpoints: NDJSON, one checkpoint a line."""
    entry = await admitted(request, "operator")
    response = web.StreamResponse(
        headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"}
    )
    await response.prepare(request)
    with breaking_off(request):
        async with entry.service.database.read() as tx:
            async for line in checkpoint_lines(tx, entry):
                await response.write(line)
    await response.write_eof()
    return response


async def checkpoint_lines(tx: Tx, entry: Entry) -> AsyncIterator[bytes]:
    """Write the checkpoints of the brand, bucket by bucket."""
    for bucket in range(BUCKET_COUNT):
        after = 0
        while rows := await queries.checkpoints(
            tx.conn,
            bucket=bucket,
            brand_id=entry.brand.brand_id,
            after=after,
            size=PAGE_ROWS,
        ):
            for row in rows:
                yield _line(entry, bucket, row)
            after = rows[-1].position


def _line(entry: Entry, bucket: int, row: queries.CheckpointsRow) -> bytes:
    return (
        msgspec.json.encode(
            {
                "brand": entry.brand.slug,
                "bucket": bucket,
                "position": row.position,
                "digest": row.digest.hex(),
                "made_at": moment(row.made_at),
                "signature": row.signature.hex(),
            }
        )
        + b"\n"
    )
