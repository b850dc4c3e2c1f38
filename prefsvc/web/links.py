"""The link door: GET shows one button, POST opts out, whatever shape the POST has.

RFC 8058 in every form seen in the wild (RULES E-11 to E-22): no cookie, session, redirect or
context is needed, the body may be multipart (even broken), urlencoded, empty or cut off. Only the
token counts. GET, HEAD and OPTIONS change nothing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import parse_qs
from uuid import UUID

import structlog
from aiohttp import web
from msgspec.structs import replace

from prefsvc import tickets, undoing
from prefsvc.bodies import read_some
from prefsvc.db.away import AWAY
from prefsvc.doors import SERVICE, Service
from prefsvc.errors import (
    InvalidAddress,
    InvalidToken,
    SpoolFull,
    SpoolUnusable,
    TooBusy,
    UndoTooLate,
)
from prefsvc.following import Followed, follow
from prefsvc.links import ONE_CLICK
from prefsvc.opt_outs import Act, Recorded
from prefsvc.spool import spooled
from prefsvc.suppression import Scope
from prefsvc.token import ShortToken
from prefsvc.web import link_pages
from prefsvc.web.pages import EVERYTHING_FIELD, NONCE_FIELD, TICKET_FIELD, Form
from prefsvc.web.problems import RETRY_AFTER_SECONDS, STATUS

log = structlog.get_logger()

_ONE_CLICK = ONE_CLICK.encode()
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
    except AWAY:
        return await _keep_press(request, service, pressed)
    except (SpoolFull, SpoolUnusable, TooBusy) as refusal:
        log.error("opt_out_not_kept", why=refusal.code)  # noqa: TRY400 - a refusal of ours
        return _away(request, Form.opt_out(pressed.nonce, everything=pressed.wants_everything))
    if _is_for_nobody(request, pressed):
        response = link_pages.receipt(recorded.event_id)
    else:
        response = link_pages.done(request, followed, _done(service, token, recorded))
    if not pressed.body_was_read:
        response.force_close()  # what is left of the body is not the next request
    return response


async def _keep_press(request: web.Request, service: Service, pressed: Pressed) -> web.Response:
    """Keep the press of a short link, of which only the database knows what it stands for."""
    short = next(
        read
        for read in service.book.keyring.candidates(request.match_info["token"])
        if isinstance(read, ShortToken)
    )
    now = service.now()
    scope = Scope("brand") if pressed.wants_everything else None
    press = spooled.press(short, _source(pressed), pressed.evidence, now, scope=scope)
    try:
        await service.spool.keep(press, now)
    except (SpoolFull, SpoolUnusable) as refusal:
        log.error("opt_out_not_kept", why=refusal.code)  # noqa: TRY400 - a refusal of ours
        return _away(request, Form.opt_out(pressed.nonce, everything=pressed.wants_everything))
    return link_pages.receipt(press.event_id)


def _source(pressed: Pressed) -> str:
    return "link" if pressed.shown_at else "one_click"


def _is_for_nobody(request: web.Request, pressed: Pressed) -> bool:
    """Say whether a mail program clicked, whose user sees nothing of what it is answered."""
    says_one_click = bool(pressed.evidence["says_one_click"]) and pressed.shown_at is None
    return says_one_click and "text/html" not in request.headers.get("Accept", "")


async def post_undo(request: web.Request) -> web.Response:
    """POST /u/{token}/undo: take back what this link's page has just done (RULES X-04)."""
    service, token = request.app[SERVICE], request.match_info["token"]
    pressed = await _pressed(request, service, token)

    async def take_back(followed: Followed) -> web.Response:
        key = service.vault.nonce_key
        event_id = tickets.opt_out_to_undo(key, token, pressed.ticket, service.now())
        return await _undone(request, followed, pressed, event_id)

    return await _answered(request, take_back, Form.undo("", pressed.ticket))


async def get_receipt_undo(request: web.Request) -> web.Response:
    """GET /u/{token}/undo/{ticket}: the page that a receipt links to, with one button."""
    return await _answered(request, partial(_offer_undo, request))


async def post_receipt_undo(request: web.Request) -> web.Response:
    """POST /u/{token}/undo/{ticket}: take back the opt-out that the receipt speaks of.

    Only from the page, and within minutes of it (RULES X-04). What is sent before anybody can have
    read it, a program has pressed: that may stop mail (X-02) and never start it again.
    """
    service, token = request.app[SERVICE], request.match_info["token"]
    pressed = await _pressed(request, service, token)

    async def take_back(followed: Followed) -> web.Response:
        if not _is_pressed_by_hand(service, pressed):
            return await _offer_undo(request, followed)
        return await _undone(request, followed, pressed, _opt_out_of_receipt(request))

    return await _answered(request, take_back)


async def _answered(
    request: web.Request,
    answer: Callable[[Followed], Awaitable[web.Response]],
    retry: Form | None = None,
) -> web.Response:
    """Follow the link to an undo and answer, or say why that cannot be."""
    try:
        followed = await follow(request.app[SERVICE], request.match_info["token"])
        try:
            return await answer(followed)
        except UndoTooLate as refusal:
            return link_pages.too_late(request, followed, STATUS[type(refusal)])
    except (InvalidToken, InvalidAddress):
        return link_pages.damaged(request)
    except (*AWAY, TooBusy):
        return _away(request, retry)


def _is_pressed_by_hand(service: Service, pressed: Pressed) -> bool:
    if pressed.shown_at is None:
        return False
    on_page = service.now() - pressed.shown_at
    longest = timedelta(minutes=service.settings.undo_minutes)
    return timedelta(seconds=SCANNER_SECONDS) <= on_page <= longest


def _opt_out_of_receipt(request: web.Request) -> UUID:
    service, named = request.app[SERVICE], request.match_info
    return tickets.opt_out_to_undo(
        service.vault.nonce_key, named["token"], named["ticket"], service.now(), of="mail"
    )


async def _offer_undo(request: web.Request, followed: Followed) -> web.Response:
    service, event_id = request.app[SERVICE], _opt_out_of_receipt(request)
    async with service.database.read() as tx:
        scope = await undoing.scope_of(tx, followed.brand, followed.recipient, event_id)
    token = request.match_info["token"]
    nonce = tickets.page_nonce(service.vault.nonce_key, token, service.now())
    return link_pages.take_back(request, followed, scope, nonce)


async def _undone(
    request: web.Request, followed: Followed, pressed: Pressed, event_id: UUID
) -> web.Response:
    service, token = request.app[SERVICE], request.match_info["token"]
    act = replace(_act(followed, pressed, followed.scope), source="undo")
    scope = await service.undo(act, event_id)
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
    # What a mail program posts has no field of our page's.
    fields = {} if body == _ONE_CLICK else parse_qs((body or b"").decode("ascii", "replace"))
    nonce = fields.get(NONCE_FIELD, [""])[0]
    shown_at = tickets.shown_at(service.vault.nonce_key, token, nonce) if nonce else None
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
        _source(pressed),
        pressed.evidence | {"link": {key: value for key, value in named.items() if value}},
        country=followed.country,
    )


def _done(service: Service, token: str, recorded: Recorded) -> link_pages.Done:
    key, now = service.vault.nonce_key, service.now()
    minutes = service.settings.undo_minutes
    ticket = None
    is_known = not recorded.is_spooled  # what stood before is not known of what is spooled
    if recorded.effect == "added" and recorded.is_new and not recorded.stood_before and is_known:
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
