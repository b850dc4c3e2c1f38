"""POST /hooks/mail/{provider}/{source}: what mail providers tell, and mail that they received."""

from collections.abc import Callable
from typing import Final

import msgspec
from aiohttp import web

from prefsvc.bodies import read_body
from prefsvc.brand import MailEventSource
from prefsvc.brands import AppliedBrand
from prefsvc.doors import SERVICE, Service
from prefsvc.errors import UnknownMailEventSource
from prefsvc.mail_events import (
    brevo,
    mailgun,
    mailjet,
    postmark,
    proof,
    sendgrid,
    sns_door,
    sparkpost,
    taking,
)
from prefsvc.mail_events.certificates import SNS
from prefsvc.mail_events.event import Reading
from prefsvc.mail_events.receiving import receive
from prefsvc.mail_events.ses_mail import ReceivedMail

# All but Amazon SES, whose events come inside the messages of SNS.
_READERS: Final[dict[str, Callable[..., Reading]]] = {
    "brevo": brevo.read,
    "mailgun": mailgun.read,
    "mailjet": mailjet.read,
    "postmark": postmark.read,
    "sendgrid": sendgrid.read,
    "sparkpost": sparkpost.read,
}


async def post_mail_events(request: web.Request) -> web.Response:
    """Record what events and mails ask for; 200 only once it is durable, so that they retry.

    What the body is said to be is passed over: SNS calls its JSON plain text.
    """
    service = request.app[SERVICE]
    brand, source = _source_of(service, request)
    reading = await _read(request, service, source)
    if isinstance(reading, ReceivedMail):
        taken = await receive(service, brand, source, reading)
    else:
        taken = await taking.take(service, brand, source, reading)
    return web.Response(
        body=msgspec.json.encode(taken),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _source_of(service: Service, request: web.Request) -> tuple[AppliedBrand, MailEventSource]:
    """Find the source by its name; under another provider's path there is none."""
    found = service.book.by_mail_source.get(request.match_info["source"])
    if found is None or found[1].provider != request.match_info["provider"]:
        raise UnknownMailEventSource
    return found


async def _read(
    request: web.Request, service: Service, source: MailEventSource
) -> Reading | ReceivedMail:
    if source.provider == "ses":
        return await sns_door.received(service, request.app[SNS], source, await _body(request))
    secrets = proof.admit(request, source)
    body = await _body(request)
    await proof.check(request, source, secrets, body)
    return _READERS[source.provider](body, most=service.settings.mail_events_per_post_max)


async def _body(request: web.Request) -> bytes:
    settings = request.app[SERVICE].settings
    return await read_body(
        request,
        bytes_max=settings.mail_event_body_bytes_max,
        timeout_seconds=settings.body_read_timeout_seconds,
    )
