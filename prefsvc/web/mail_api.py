"""Raw mails over HTTP: from programs, and from inbound parsers that post forms."""

import asyncio
from dataclasses import replace
from typing import Final

from aiohttp import hdrs, web

from prefsvc import list_headers
from prefsvc.bodies import read_body
from prefsvc.errors import InvalidBody
from prefsvc.mail.mail import Mail
from prefsvc.mail.reading import Outcome
from prefsvc.mailbox import forms
from prefsvc.mailbox.addressed import read_for
from prefsvc.mailbox.authenticating import Provenance
from prefsvc.mailbox.forms import Posted
from prefsvc.mailbox.making import Arrived
from prefsvc.mailbox.taking import take
from prefsvc.web.auth import Entry, admitted, admitted_by_url
from prefsvc.web.body import answer, query

RAW: Final = "message/rfc822"
_WEIGHTS: Final[dict[Outcome, int]] = {
    "opt_out": 4, "complaint": 3, "undeliverable": 2, "ask": 1, "ignored": 0,
}  # fmt: skip
"""Which outcome is told where a mail has several recipients; all of them count."""


async def post_mail(request: web.Request) -> web.Response:
    """POST /v1/brands/{brand}/mails; 200 only once what the mail asks for is durable."""
    entry = await admitted_by_url(request, "operator", "sender")
    named = query(request, "recipient").get("recipient", "")
    posted = await _posted(request, entry)
    given = [*filter(None, [named]), *posted.recipients]
    by = f"api_key {entry.caller.api_key_id}"
    mail, came = Mail(posted.raw), Provenance()
    readings = [
        await take(entry.service, Arrived(mail, recipient, by, provenance=came), entry.brand)
        for recipient in read_for(entry.service, entry.brand, given)
    ]
    told = max(readings, key=lambda reading: _WEIGHTS[reading.outcome])
    return answer({"outcome": told.outcome, "why": told.why})


async def post_mail_lint(request: web.Request) -> web.Response:
    """POST /v1/brands/{brand}/mails/lint; nothing is recorded."""
    entry = await admitted(request, "operator", "sender")
    query(request)
    raw = await _raw(request, entry)
    async with entry.service.mails:
        findings = await asyncio.to_thread(list_headers.lint, raw)
    # Each once: a header that occurs a thousand times has the same faults a thousand times.
    each = list(dict.fromkeys(findings))
    return answer({"findings": each, "one_click": not each})


async def _posted(request: web.Request, entry: Entry) -> Posted:
    if request.content_type not in {forms.MULTIPART, forms.URLENCODED}:
        return Posted(await _raw(request, entry), ())
    body = await _body(request, entry, entry.service.settings.mail_form_bytes_max)
    async with entry.service.mails:
        # In a thread, as the reading is: to undo the escapes of a large mail takes a while.
        posted = await asyncio.to_thread(forms.read, request.headers[hdrs.CONTENT_TYPE], body)
    # A large mail counts by its beginning: no parser tells a person that it was refused.
    return replace(posted, raw=posted.raw[: entry.service.settings.mail_bytes_max])


async def _raw(request: web.Request, entry: Entry) -> bytes:
    if request.content_type != RAW:
        raise InvalidBody("Send a raw mail as message/rfc822, or a form of an inbound parser.")
    raw = await _body(request, entry, entry.service.settings.mail_bytes_max)
    if not raw:
        raise InvalidBody("There is no mail in the body.")
    return raw


async def _body(request: web.Request, entry: Entry, bytes_max: int) -> bytes:
    seconds = entry.service.settings.body_read_timeout_seconds
    return await read_body(request, bytes_max=bytes_max, timeout_seconds=seconds)
