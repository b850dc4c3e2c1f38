"""POST …/mails/forged: taking back what forged mail has put."""

from uuid import UUID, uuid4

from aiohttp import web

from prefsvc.forgeries import Finding
from prefsvc.taking_back import selection, take_back
from prefsvc.web.auth import admitted
from prefsvc.web.body import Strict, answer, query, read_json
from prefsvc.web.case_api import Cause, Words
from prefsvc.web.opt_out_api import Moment


class ForgedBody(Strict, frozen=True, kw_only=True):
    """Which mails are forged, and what there is to say about it."""

    since: Moment
    until: Moment
    origin: Cause | None = None
    note: Words | None = None
    dry_run: bool = False
    after: UUID | None = None


async def post_forged(request: web.Request) -> web.Response:
    """POST /v1/brands/{brand}/mails/forged; what is told as lifted is durable."""
    entry = await admitted(request, "operator")
    query(request)
    body = await read_json(request, ForgedBody)
    service, caller = entry.service, entry.caller
    selected = selection(body.since, body.until, body.origin, now=service.now())
    by = f"{caller.label} (key {caller.api_key_id})"
    finding = Finding(selected, uuid4(), by, body.note)
    done = await take_back(
        service,
        entry.brand,
        finding,
        dry_run=body.dry_run,
        after=body.after,
        at_most=service.settings.forged_at_once_max,
    )
    return answer(
        {
            "requests": done.requests,
            "lifted": done.lifted,
            "kept": done.kept,
            "next": str(done.next) if done.next else None,
        }
    )
