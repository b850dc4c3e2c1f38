"""What all of Twilio's webhooks do first: check who posts."""

from aiohttp import web
from multidict import MultiDict

from prefsvc.doors import SERVICE, read_body
from prefsvc.errors import UnsignedWebhook
from prefsvc.sms.twilio.form import parse_form
from prefsvc.sms.twilio.signature import is_signed_by

_FORM = "application/x-www-form-urlencoded"


async def signed_form(request: web.Request) -> MultiDict[str]:
    """Read the form that Twilio signed, or refuse; a signed body that is no form reads as blank.

    A webhook that is set to GET has its parameters in the query (RULES S-01), and there the URL is
    all that is signed.
    """
    service = request.app[SERVICE]
    body = await read_body(
        request,
        bytes_max=service.settings.twilio_body_bytes_max,
        timeout_seconds=service.settings.body_read_timeout_seconds,
    )
    posted = parse_form(body) if request.content_type == _FORM else None
    given = posted or MultiDict() if request.method == "POST" else _in_query(request)
    is_signed = is_signed_by(
        service.vault.twilio_tokens_for(given.get("AccountSid", "")),
        # The URL as Twilio called it: configured origin and raw path, never what a proxy rebuilt
        # from headers that anybody can send (RULES S-03, S-04).
        url=service.settings.origin + request.raw_path,
        form=posted,
        body=body,
        signature=_only(request, "X-Twilio-Signature"),
        signature_settings=_only(request, "X-Twilio-Webhooks-Signature-Settings"),
    )
    if not is_signed:
        raise UnsignedWebhook
    return given


def _in_query(request: web.Request) -> MultiDict[str]:
    query = request.raw_path.partition("?")[2]
    return parse_form(query.encode(errors="surrogateescape"))


def _only(request: web.Request, name: str) -> str | None:
    """Return a header that came once; of several, nobody can say which one Twilio sent."""
    values = request.headers.getall(name, [])
    return values[0] if len(values) == 1 else None
