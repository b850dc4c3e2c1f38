"""What all of Twilio's webhooks do first: check who posts."""

from aiohttp import web
from multidict import MultiDict

from prefsvc.doors import SERVICE, only_header, read_body
from prefsvc.errors import UnsignedWebhook
from prefsvc.sms.twilio.form import parse_form
from prefsvc.sms.twilio.signature import is_signed_by

_FORM = "application/x-www-form-urlencoded"


async def signed_form(request: web.Request) -> MultiDict[str]:
    """Read the form that Twilio signed, or refuse; a signed body that is no form reads as blank."""
    service = request.app[SERVICE]
    body = await read_body(
        request,
        bytes_max=service.settings.twilio_body_bytes_max,
        timeout_seconds=service.settings.body_read_timeout_seconds,
    )
    form = parse_form(body) if request.content_type == _FORM else None
    account = form.get("AccountSid", "") if form is not None else ""
    is_signed = is_signed_by(
        service.vault.twilio_tokens_for(account),
        # The URL as Twilio called it: configured origin and raw path, never what a proxy rebuilt
        # from headers that anybody can send (RULES S-03, S-04).
        url=service.settings.origin + request.raw_path,
        form=form,
        body=body,
        signature=only_header(request, "X-Twilio-Signature"),
        signature_settings=only_header(request, "X-Twilio-Webhooks-Signature-Settings"),
    )
    if not is_signed:
        raise UnsignedWebhook
    return form if form is not None else MultiDict()
