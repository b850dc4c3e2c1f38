"""What all of Twilio's webhooks do first: check who posts."""

from collections.abc import Iterable

from aiohttp import web
from multidict import MultiDict

from prefsvc.bodies import only_header
from prefsvc.doors import SERVICE
from prefsvc.errors import UnsignedWebhook
from prefsvc.sms.posted import read_posted
from prefsvc.sms.twilio.form import parse_form
from prefsvc.sms.twilio.signature import is_signed_by

_FORM = "application/x-www-form-urlencoded"


async def signed_form(request: web.Request) -> MultiDict[str]:
    """Read the form that Twilio signed, or refuse; a signed body that is no form reads as blank.

    A webhook that is set to GET has its parameters in the query (RULES S-01), and there the URL is
    all that is signed.
    """
    service = request.app[SERVICE]
    body = await read_posted(request)
    posted = parse_form(body) if request.content_type == _FORM else None
    given = posted or MultiDict() if request.method == "POST" else _in_query(request)
    tokens = service.vault.twilio_tokens_for(given.get("AccountSid", ""))
    if not _is_signed(request, tokens, body, posted):
        raise UnsignedWebhook
    return given


def _in_query(request: web.Request) -> MultiDict[str]:
    query = request.raw_path.partition("?")[2]
    return parse_form(query.encode(errors="surrogateescape"))


async def signed_body(request: web.Request, *, bytes_max: int) -> tuple[bytes, frozenset[str]]:
    """Read a body that is no form, and of which accounts a token signed it, or refuse.

    The account "" is any: that of a token that was set without one (RULES S-10).
    """
    body = await read_posted(request, bytes_max=bytes_max)
    accounts = frozenset(
        account
        for account, token in request.app[SERVICE].vault.twilio_tokens
        if _is_signed(request, [token], body)
    )
    if not accounts:
        raise UnsignedWebhook
    return body, accounts


def _is_signed(
    request: web.Request, tokens: Iterable[str], body: bytes, form: MultiDict[str] | None = None
) -> bool:
    return is_signed_by(
        tokens,
        # The URL as Twilio called it: configured origin and raw path, never what a proxy rebuilt
        # from headers that anybody can send (RULES S-03, S-04).
        url=request.app[SERVICE].settings.origin + request.raw_path,
        form=form,
        body=body,
        signature=only_header(request, "X-Twilio-Signature"),
        signature_settings=only_header(request, "X-Twilio-Webhooks-Signature-Settings"),
    )
