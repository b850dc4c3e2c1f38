"""Noting what a sender was given, once the answer that gave it is out."""

import structlog
from aiohttp import web

from prefsvc import handovers
from prefsvc.cursor import Cursor
from prefsvc.web.auth import Entry

log = structlog.get_logger()


async def send_out(request: web.Request, response: web.Response) -> bool:
    """Send an answer; say whether the caller was still there to take it."""
    try:
        await response.prepare(request)
        await response.write_eof()
    except ConnectionError:
        return False
    return True


async def note(request: web.Request, entry: Entry, cursor: Cursor) -> None:
    """Note that a sender was given everything up to a cursor.

    Its answer is out, so a failure here is logged and no fault of the answer; the sender then
    counts as told by the next page. HEAD gives nothing.
    """
    if entry.caller.sender_id is None or request.method != "GET":
        return
    try:
        async with entry.service.database.transaction() as tx:
            await handovers.told(tx, entry.caller.sender_id, cursor)
    except Exception as error:  # noqa: BLE001 - whatever failed, the page is out and was right
        log.warning("handover_fault", kind=type(error).__name__)
