"""The link door: GET shows one button, POST opts out, whatever shape the POST has.

RFC 8058 in every form seen in the wild (RULES E-11 to E-22): no cookie, session, redirect or
context is needed, the body may be multipart (even broken), urlencoded, empty or cut off. Only the
token counts. GET, HEAD and OPTIONS change nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import parse_qs

import structlog
from aiohttp import web

from prefsvc.db import queries
from prefsvc.doors import SERVICE, Service, read_some
from prefsvc.errors import InvalidAddress, InvalidToken, TooBusy, UndoTooLate
from prefsvc.following import Followed, follow
from prefsvc.ledger import bucket_of_event
from prefsvc.opt_outs import Act, Recorded
from prefsvc.suppression import Scope
from prefsvc.web import link_pages, tickets
from prefsvc.web.pages import EVERYTHING_FIELD, NONCE_FIELD, TICKET_FIELD, Form
from prefsvc.web.problems import AWAY, RETRY_AFTER_SECONDS, STATUS

log = structlog.get_logger()

BODY_SECONDS = 2.0
"""How long a POST's body is waited for; the opt-out does not depend on it."""
SCANNER_SECONDS = 2.0
"""A form sent sooner than this after its page was likely pressed by a program (RULES X-02)."""


@dataclass(frozen=True, slots=True)
class Pressed:
    """What came with a POST: our own page's form, or a mail program's one click."""

    shown_at: datetime | None
    nonce: str
    wants_everything: bool
    ticket: str
    evidence: dict[str, object]
    body_was_read: bool


async def get_link(request: web.Request) -> web.Response:
    """GET /u/{token}: the page with one button."""
    service, token = request.app[SERVICE], request.match_info["token"]
    try:
        followed = await follow(service, token)
    except (InvalidToken, InvalidAddress):
        return link_pages.damaged(request)
    except (*AWAY, TooBusy):
        return _away(request)
    now = service.now()
    nonce = tickets.page_nonce(service.vault.nonce_key, token, now)
    return link_pages.confirm(request, followed, nonce, followed.deadline_at(followed.scope, now))


async def post_link(request: web.Request) -> web.Response:
    """POST /u/{token}: opt out, then say so; never 2xx before it is durable."""
    service, token = request.app[SERVICE], request.match_info["token"]
    pressed = await _pressed(request, service, token)
    try:
        followed = await follow(service, token)
        scope = followed.everything() if pressed.wants_everything else followed.scope
        [recorded] = await service.record([_act(followed, pressed, scope)])
    except (InvalidToken, InvalidAddress):
        return link_pages.damaged(request)
    except (*AWAY, TooBusy) as error:
        log.warning("database_away", kind=type(error).__name__)
        return _away(request, Form.opt_out(pressed.nonce, everything=pressed.wants_everything))
    response = link_pages.done(request, followed, _done(service, token, recorded))
    if not pressed.body_was_read:
        response.force_close()  # what is left of the body is not the next request
    return response


async def post_undo(request: web.Request) -> web.Response:
    """POST /u/{token}/undo: take back what this link's page has just done (RULES X-04)."""
    service, token = request.app[SERVICE], request.match_info["token"]
    pressed = await _pressed(request, service, token)
    try:
        followed = await follow(service, token)
        return await _undone(request, service, followed, pressed)
    except (InvalidToken, InvalidAddress):
        return link_pages.damaged(request)
    except (*AWAY, TooBusy):
        return _away(request, Form.undo("", pressed.ticket))


async def _undone(
    request: web.Request, service: Service, followed: Followed, pressed: Pressed
) -> web.Response:
    token = request.match_info["token"]
    try:
        scope = await _scope_to_undo(service, followed, token, pressed.ticket)
    except UndoTooLate as refusal:
        return link_pages.too_late(request, followed, STATUS[type(refusal)])
    await service.withdraw([replace(_act(followed, pressed, scope), source="undo")])
    nonce = tickets.page_nonce(service.vault.nonce_key, token, service.now())
    return link_pages.undone(request, followed, scope, nonce)


async def options_link(_: web.Request) -> web.Response:
    """OPTIONS /u/{token}: say what there is; change nothing (RULES E-15)."""
    return web.Response(status=204, headers={"Allow": "GET, HEAD, OPTIONS, POST"})


async def _pressed(request: web.Request, service: Service, token: str) -> Pressed:
    """Read what little the body can add. Nothing in it can stop the opt-out."""
    body = await read_some(
        request,
        bytes_max=service.settings.link_body_bytes_max,
        timeout_seconds=BODY_SECONDS,
    )
    fields = parse_qs((body or b"").decode("ascii", "replace"))
    nonce = fields.get(NONCE_FIELD, [""])[0]
    shown_at = tickets.shown_at(service.vault.nonce_key, token, nonce)
    evidence: dict[str, object] = {
        "user_agent": request.headers.get("User-Agent"),
        "content_type": request.headers.get("Content-Type"),
        "says_one_click": b"One-Click" in (body or b""),
    }
    if shown_at:
        seconds = int((service.now() - shown_at).total_seconds())
        evidence |= {"seconds_on_page": seconds, "suspected_scanner": seconds < SCANNER_SECONDS}
    wants_everything = shown_at is not None and EVERYTHING_FIELD in fields
    return Pressed(
        shown_at,
        nonce,
        wants_everything,
        fields.get(TICKET_FIELD, [""])[0],
        evidence,
        body_was_read=body is not None,
    )


def _act(followed: Followed, pressed: Pressed, scope: Scope) -> Act:
    named = {
        "topic": followed.topic,
        "mailshot": followed.mailshot,
        "language": followed.language,
        "country": followed.country,
    }
    return Act(
        followed.brand,
        followed.recipient,
        scope,
        "link" if pressed.shown_at else "one_click",
        pressed.evidence | {"link": {key: value for key, value in named.items() if value}},
        country=followed.country,
    )


async def _scope_to_undo(service: Service, followed: Followed, token: str, ticket: str) -> Scope:
    event_id = tickets.opt_out_to_undo(service.vault.nonce_key, token, ticket, service.now())
    async with service.database.read() as tx:
        event = await queries.event(
            tx.conn,
            bucket=bucket_of_event(event_id),
            event_id=event_id,
            brand_id=followed.brand.brand_id,
        )
    if event is None or event.address_key != followed.recipient.address_key:
        raise UndoTooLate
    return Scope.parse(event.scope, event.topic)


def _done(service: Service, token: str, recorded: Recorded) -> link_pages.Done:
    key, now = service.vault.nonce_key, service.now()
    minutes = service.settings.undo_minutes
    ticket = None
    if recorded.effect == "added" and recorded.is_new and not recorded.stood_before:
        # Only what this press did may be undone: an older opt-out is not this page's to lift, be it
        # of another channel, or one that this press only gave an earlier deadline.
        ticket = tickets.undo_ticket(
            key, token, recorded.event_id, now + timedelta(minutes=minutes)
        )
    nonce = tickets.page_nonce(key, token, now)
    return link_pages.Done(recorded, ticket, minutes, nonce)


def _away(request: web.Request, retry: Form | None = None) -> web.Response:
    """Answer 503, so that whoever posted tries again; nothing was stored and nothing is claimed."""
    response = link_pages.try_again(request, retry)
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
