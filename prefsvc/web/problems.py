"""Turn refusals and faults into application/problem+json (RFC 9457).

The one place that knows which refusal has which status. What the caller sent is never repeated:
neither an address nor a token may come back in an error.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import structlog
from aiohttp import web

from prefsvc import errors
from prefsvc.db.away import AWAY

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STATUS: dict[type[errors.Refusal], int] = {
    errors.AcknowledgementBackwards: 409,
    errors.BadRequest: 400,
    errors.BodyTooLarge: 413,
    errors.BodyTooSlow: 408,
    errors.CursorBeyondHead: 409,
    errors.CursorFromAnotherHistory: 409,
    errors.CursorOfAnotherBrand: 422,
    errors.EndpointDisabled: 409,
    errors.EvidenceMissing: 422,
    errors.IdempotencyKeyReused: 422,
    errors.ImportDiffers: 409,
    errors.ImportUnderWay: 409,
    errors.InvalidAddress: 422,
    errors.InvalidApiKey: 401,
    errors.InvalidBody: 400,
    errors.InvalidCursor: 422,
    errors.InvalidEndpoint: 422,
    errors.InvalidTimeSpan: 422,
    errors.InvalidLinkContent: 422,
    errors.InvalidParameter: 400,
    errors.InvalidTarget: 422,
    errors.InvalidToken: 404,
    errors.MailNotSet: 409,
    errors.MethodNotAllowed: 405,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    errors.NotMarketing: 422,
    errors.PublicUrlInsecure: 409,
    errors.TargetForbidden: 422,
    errors.SpoolFull: 503,
    errors.SpoolUnusable: 503,
    errors.TooBusy: 503,
    errors.TooManyRequests: 429,
    errors.TooManyEndpoints: 409,
    errors.SenderRetired: 409,
    errors.StaleWebhook: 403,
    errors.UndoTooLate: 409,
    errors.UnknownAlarm: 404,
    errors.UnknownBrand: 404,
    errors.UnknownCountry: 422,
    errors.UnknownDelivery: 404,
    errors.UnknownEndpoint: 404,
    errors.UnknownImport: 404,
    errors.UnknownOptOut: 404,
    errors.UnknownSender: 404,
    errors.UnknownTopic: 422,
    errors.UnreadableBody: 400,
    errors.UnreadableImport: 422,
    errors.UnsignedWebhook: 403,
    errors.UnknownRecipientNumber: 404,
    errors.UnreadableMessage: 400,
    errors.CaseResolved: 409,
    errors.ReviewDecided: 409,
    errors.MailingExists: 409,
    errors.EmptyReport: 400,
    errors.UnknownCase: 404,
    errors.UnknownMailing: 404,
    errors.UnknownReview: 404,
    errors.UnknownViolation: 404,
    # What is wrong with these two is ours, so the provider is to try again.
    errors.MailEventSecretMissing: 503,
    errors.SnsUnreachable: 503,
    # What it asks for is lost on us: SNS tries again, and the alert for 5xx is raised.
    errors.MailNotEnclosed: 503,
    errors.UnknownMailEventSource: 404,
    errors.UnsignedMailEvents: 403,
    errors.WrongMailEventCredentials: 401,
}
"""Refusals that the HTTP doors give; those of the command line alone are not among them."""

_CHALLENGES: dict[type[errors.Refusal], str] = {
    errors.InvalidApiKey: 'Bearer realm="prefsvc"',
    errors.WrongMailEventCredentials: 'Basic realm="prefsvc", charset="UTF-8"',
}
"""What a 401 asks for (RFC 9110)."""

_FAULT = (
    500,
    "fault",
    "Something failed here, not in your request; nothing was lost. Try it again.",
)
_AWAY = (
    503,
    "database_away",
    "The database does not answer; nothing was recorded. Try it again shortly.",
)
FAULTS = (_FAULT, _AWAY)
"""Our own failures, each with its status, code and sentence."""

RETRY_AFTER_SECONDS = 5

log = structlog.get_logger()


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer refusals and faults; what has begun to stream can only be cut off."""
    try:
        return await handler(request)
    except errors.Refusal as refusal:
        return of_refusal(refusal)
    except web.HTTPException as error:
        return of_http_error(error)
    except asyncio.CancelledError:
        raise
    except AWAY as error:
        log.warning("database_away", kind=type(error).__name__)
        return problem(*_AWAY, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    except Exception as error:  # noqa: BLE001 - the last resort: a fault is a 500, and loud
        # Not log.exception: a traceback's message may hold what the caller sent.
        log.error("fault", kind=type(error).__name__, where=origin_of(error))  # noqa: TRY400
        return problem(*_FAULT)


@contextmanager
def breaking_off(request: web.Request) -> Iterator[None]:
    """Break the connection off where a stream fails: it is too late for a problem document.

    A reader notices that the last line, or the last chunk, never came.
    """
    try:
        yield
    except BaseException as error:
        log.error("stream_broken", kind=type(error).__name__, where=origin_of(error))  # noqa: TRY400
        if request.transport:
            request.transport.abort()
        raise


def of_refusal(refusal: errors.Refusal) -> web.Response:
    """Answer a refusal with its status, code and sentence."""
    status = STATUS[type(refusal)]
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else {}  # noqa: PLR2004
    if challenge := _CHALLENGES.get(type(refusal)):
        headers["WWW-Authenticate"] = challenge
    more = {"errors": [{"pointer": refusal.pointer}]} if refusal.pointer else {}
    return problem(status, refusal.code, str(refusal), headers=headers, **more)


def of_http_error(error: web.HTTPException) -> web.Response:
    """Answer what aiohttp itself refuses; its own texts may repeat the request."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allow = ", ".join(sorted(error.allowed_methods))
        return problem(
            405,
            errors.MethodNotAllowed.code,
            str(errors.MethodNotAllowed()),
            headers={"Allow": allow},
        )
    refusals = {404: errors.NotFound(), 413: errors.BodyTooLarge()}
    refusal = refusals.get(error.status, errors.BadRequest())
    return problem(error.status, refusal.code, str(refusal))


def problem(
    status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any
) -> web.Response:
    """Write a problem document."""
    body = {"type": f"/docs#problem-{code}", "title": code.replace("_", " "), "status": status}
    return web.Response(
        status=status,
        body=msgspec.json.encode(body | {"code": code, "detail": detail} | more),
        content_type="application/problem+json",
        headers={"Cache-Control": "no-store"} | (headers or {}),
    )


def origin_of(error: BaseException) -> list[str]:
    """Say where a fault came from: files and lines, not values, which may be personal."""
    places = []
    at = error.__traceback__
    while at:
        code = at.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('prefsvc')[2].lstrip('/')}:{at.tb_lineno}")
        at = at.tb_next
    return places[-8:]
