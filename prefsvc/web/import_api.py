"""Imports by API: a list is put under a name, and put again goes on where it broke off."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec
from aiohttp import web

from prefsvc.address import CHANNELS
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.errors import ImportDiffers, UnreadableImport
from prefsvc.imports import register
from prefsvc.imports.given import check_name, reading_of
from prefsvc.imports.reading import Reader
from prefsvc.imports.register import Counts, Import
from prefsvc.imports.rows import Reading, Share
from prefsvc.imports.running import Refusals, Run
from prefsvc.imports.taking import OUTCOMES, Taker, key_of
from prefsvc.web.auth import Entry, admitted
from prefsvc.web.body import answer, one_of, query, whole_number
from prefsvc.web.lines import chunks
from prefsvc.web.opt_out_api import moment
from prefsvc.web.turns import turn

PAGE_DEFAULT: Final = 100
PAGE_MAX: Final = 10_000
LISTED: Final = 100

_TEXTS: Final = (
    "format", "encoding", "delimiter", "header", "channel", "scope", "topic", "reason", "time_zone",
    "dates",
)  # fmt: skip
_FLAGS: Final = ("all_opted_out", "dry_run")
_FORMS: Final = {"application/x-ndjson": "ndjson", "text/csv": "csv"}


async def put_import(request: web.Request) -> web.Response:
    """PUT /v1/brands/{brand}/imports/{import}: read a list, and record what it says."""
    entry = await admitted(request, "operator")
    name = _name(request)
    reading, is_dry = _reading(request)
    service = entry.service
    async with turn(service, service.imports):
        run, one = await _run(entry, name, reading, is_dry=is_dry)
        await run.all_of(
            chunks(
                request,
                bytes_max=service.settings.import_body_bytes_max,
                pause_seconds=service.settings.body_read_timeout_seconds,
                whole_seconds=service.settings.stream_timeout_seconds,
            )
        )
        if one.finished_at and run.reader.reached != one.reached:
            raise ImportDiffers
        if is_dry:
            return answer(_foreseen(one, run))
        if not one.finished_at:
            await run.finish()
    async with service.database.read() as tx:
        return answer(await _document(tx, await register.find(tx, entry.brand, name), PAGE_DEFAULT))


async def get_import(request: web.Request) -> web.Response:
    """GET /v1/brands/{brand}/imports/{import}: how far it has come, and what was refused."""
    entry = await admitted(request, "operator")
    limit = query(request, "limit").get("limit", str(PAGE_DEFAULT))
    size = whole_number(limit, name="limit", at_least=1, at_most=PAGE_MAX)
    async with entry.service.database.read() as tx:
        one = await register.find(tx, entry.brand, _name(request))
        return answer(await _document(tx, one, size))


async def get_imports(request: web.Request) -> web.Response:
    """GET /v1/brands/{brand}/imports: the newest."""
    entry = await admitted(request, "operator")
    query(request)
    async with entry.service.database.read() as tx:
        newest = await register.newest(tx, entry.brand, size=LISTED)
    return answer({"imports": [_head(one) for one in newest]})


def _name(request: web.Request) -> str:
    return check_name(request.match_info["import"])


def _reading(request: web.Request) -> tuple[Reading, bool]:
    """Understand how the list is to be read, and whether nothing is to be recorded."""
    given = query(request, *_TEXTS, "columns", *_FLAGS)
    flags = {
        name: one_of(given.get(name, "false"), name=name, allowed=("true", "false")) == "true"
        for name in _FLAGS
    }
    texts: dict[str, str | None] = {name: given.get(name) for name in _TEXTS}
    texts["format"] = given.get("format") or _FORMS.get(request.content_type)
    texts["encoding"] = given.get("encoding") or request.charset
    columns = _columns(given.get("columns", "{}"))
    reading = reading_of(texts, columns=columns, all_opted_out=flags["all_opted_out"])
    return reading, flags["dry_run"]


def _columns(text: str) -> dict[str, str]:
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeError):
        raise UnreadableImport(
            'columns is a JSON object such as {"address": "E-Mail"}.', pointer="columns"
        ) from None


async def _run(entry: Entry, name: str, reading: Reading, *, is_dry: bool) -> tuple[Run, Import]:
    """Begin an import, or go on with it; one that is finished is only compared."""
    service, brand, settings = entry.service, entry.brand, entry.service.settings
    one, places = await _begun(entry, name, reading, is_dry=is_dry)
    is_read_only = is_dry or one.finished_at is not None
    taker = Taker(
        writing=service.database.read if is_read_only else partial(service.writing, brand),
        vault=service.vault,
        brand=brand,
        one=one,
        places=places,
        is_dry=is_read_only,
    )
    expected = one.reached if one.reached[0] else None
    reader = Reader(reading, Share(key_of(service.vault)), expected)
    refusals = Refusals(settings.import_refusals_kept_max)
    return Run(reader, taker, refusals, settings.import_batch_size), one


async def _begun(
    entry: Entry, name: str, reading: Reading, *, is_dry: bool
) -> tuple[Import, dict[int, register.Place]]:
    database, brand = entry.service.database, entry.brand
    async with database.read() if is_dry else database.transaction() as tx:
        if is_dry:
            one = register.foreseen(tx, brand, name, reading)
            return one, register.nowhere()
        one = await register.begin(tx, brand, name, reading, by=entry.caller.api_key_id)
        return one, await register.places(tx, one.import_id)


def _head(one: Import) -> dict[str, Any]:
    return {
        "name": one.name,
        "import_id": str(one.import_id),
        "reading": one.reading,
        "begun_at": moment(one.begun_at),
        "begun_by": one.begun_by,
        "finished_at": moment(one.finished_at),
        "line": one.reached[0],
        "refused": one.refused,
        "notes": one.notes,
    }


async def _document(tx: Tx, one: Import, size: int) -> dict[str, Any]:
    refusals = await queries.import_refusals(tx.conn, import_id=one.import_id, size=size)
    return _head(one) | {
        "counts": _by_channel(await register.counts(tx, one.import_id)),
        "refusals": [{"line": row.line, "why": row.why} for row in refusals],
    }


def _foreseen(one: Import, run: Run) -> dict[str, Any]:
    return _head(one) | {
        "begun_at": None,
        "line": run.reader.line,
        "refused": run.refusals.counts,
        "notes": run.taker.notes,
        "counts": _by_channel(run.taker.counts),
        "refusals": [
            {"line": line, "why": why} for line, why in run.refusals.unkept[:PAGE_DEFAULT]
        ],
    }


def _by_channel(counts: Counts) -> Mapping[str, Mapping[str, int]]:
    return {
        channel: {outcome: counts[f"{channel} {outcome}"] for outcome in OUTCOMES}
        for channel in CHANNELS
        if any(counts[f"{channel} {outcome}"] for outcome in OUTCOMES)
    }
