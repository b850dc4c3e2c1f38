"""GET …/suppressions: the snapshot, streamed."""

import asyncio
from typing import Final

from aiohttp import web

from prefsvc import snapshots, suppressions
from prefsvc.db.bulk import Output, SnapshotFormat
from prefsvc.db.lanes import PRIVILEGED, lane
from prefsvc.doors import Service
from prefsvc.snapshots import Wanted
from prefsvc.web.auth import Entry, admitted
from prefsvc.web.body import one_of, query
from prefsvc.web.handing_over import note
from prefsvc.web.opt_out_api import moment
from prefsvc.web.problems import breaking_off
from prefsvc.web.turns import turn

CONTENT_TYPES: dict[SnapshotFormat, str] = {
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8; header=present",
}
_FORMATS: tuple[SnapshotFormat, ...] = ("ndjson", "csv")

INTAKE_SECONDS: Final = 0.1
"""So long after an opt-out was recorded, another is expected."""
REST_SECONDS: Final = 0.01


async def get_suppressions(request: web.Request) -> web.StreamResponse:
    """GET /v1/brands/{brand}/suppressions."""
    entry = await admitted(request, "sender", "operator")
    wanted = _wanted(request, entry)
    with lane("streams"):
        return await _stream(request, entry, wanted)


async def _stream(request: web.Request, entry: Entry, wanted: Wanted) -> web.StreamResponse:
    service = entry.service
    async with turn(service, service.snapshots), service.database.read(snapshot=True) as tx:
        await tx.conn.execute(f"set local statement_timeout = {_milliseconds(service)}")
        if _opt_outs_come(service):  # they need the cores that parallel workers would take
            await tx.conn.execute("set local max_parallel_workers_per_gather = 0")
        cursor = await suppressions.head(tx, entry.brand)
        lease = suppressions.lease(entry.brand, wanted.channel, tx.now)
        headers = {
            "ETag": wanted.etag(cursor),
            "Cache-Control": "no-store",
            "Content-Type": CONTENT_TYPES[wanted.snapshot_format],
            "Prefsvc-Cursor": str(cursor),
            "Prefsvc-As-Of": moment(lease.as_of) or "",
            "Prefsvc-Valid-Until": moment(lease.valid_until) or "",
        }
        if wanted.etag(cursor) in _known(request):
            return web.Response(status=304, headers=headers)
        response = web.StreamResponse(headers=headers)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            response.enable_compression(web.ContentCoding.gzip)
        await response.prepare(request)
        timeout_seconds = service.settings.snapshot_timeout_seconds
        with breaking_off(request):
            output = _giving_way(service, response.write)
            await snapshots.write(
                tx, service.vault, wanted, cursor, output, timeout_seconds=timeout_seconds
            )
    await response.write_eof()
    await note(request, entry, cursor)
    return response


def _giving_way(service: Service, output: Output) -> Output:
    """Rest after each part while opt-outs come: the database, unread, rests as well."""

    async def written(part: bytes) -> None:
        await output(part)
        if _opt_outs_come(service):
            await asyncio.sleep(REST_SECONDS)

    return written


def _opt_outs_come(service: Service) -> bool:
    return service.database.lanes.is_used(PRIVILEGED, within_seconds=INTAKE_SECONDS)


def _wanted(request: web.Request, entry: Entry) -> Wanted:
    given = query(request, "channel", "format", "hashed")
    accepted = "csv" if "text/csv" in request.headers.get("Accept", "") else "ndjson"
    return Wanted(
        entry.brand,
        entry.channel(given.get("channel")),
        one_of(given.get("format", accepted), name="format", allowed=_FORMATS),
        one_of(given.get("hashed", "false"), name="hashed", allowed=("false", "true")) == "true",
    )


def _known(request: web.Request) -> set[str]:
    return {tag.strip() for tag in request.headers.get("If-None-Match", "").split(",")}


def _milliseconds(service: Service) -> int:
    return int(service.settings.snapshot_timeout_seconds * 1000)
