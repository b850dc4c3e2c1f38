"""GET …/alarms: which alarms were raised, the newest first."""

from typing import Any
from uuid import UUID

from aiohttp import web

from prefsvc import alarms, senders
from prefsvc.alarms import Alarm
from prefsvc.errors import InvalidParameter
from prefsvc.web.auth import admitted
from prefsvc.web.body import answer, query, whole_number
from prefsvc.web.opt_out_api import moment

PAGE_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 1000


async def get_alarms(request: web.Request) -> web.Response:
    """GET /v1/brands/{brand}/alarms."""
    entry = await admitted(request, "operator")
    given = query(request, "sender", "limit", "after")
    size = whole_number(
        given.get("limit", str(PAGE_SIZE_DEFAULT)), name="limit", at_least=1, at_most=PAGE_SIZE_MAX
    )
    after = _alarm_id(given["after"]) if "after" in given else None
    async with entry.service.database.read() as tx:
        slug = given.get("sender")
        sender = await senders.find(tx, entry.brand, slug) if slug is not None else None
        page = await alarms.page(tx, entry.brand, sender=sender, after=after, size=size)
    after = page[-1].alarm_id if len(page) == size else None
    return answer({"alarms": [_document(one) for one in page], "next": after})


def _alarm_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidParameter("after is the alarm_id of an alarm.", pointer="after") from None


def _document(alarm: Alarm) -> dict[str, Any]:
    return {"raised_at": moment(alarm.raised_at), **alarm.details}
