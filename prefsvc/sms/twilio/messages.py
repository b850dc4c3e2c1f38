"""POST or GET /hooks/twilio/messages: a person's text, as Twilio passes it on.

It may be set as the fallback URL, too: what Twilio adds there (`ErrorCode`, `ErrorUrl`) is signed
like all else and changes nothing (RULES S-08).
"""

from aiohttp import web

from prefsvc.brands import AppliedBrand
from prefsvc.doors import SERVICE
from prefsvc.sms import replies
from prefsvc.sms.message import InboundMessage
from prefsvc.sms.receiving import brand_of, take_message
from prefsvc.sms.replies import Outcome
from prefsvc.sms.twilio import twiml
from prefsvc.sms.twilio.answered import is_answered
from prefsvc.sms.twilio.reading import read_message
from prefsvc.sms.twilio.signed import signed_form


async def take_text(request: web.Request) -> web.Response:
    """Record a STOP or START, answer HELP, have a person look at what is doubtful.

    2xx only once it is durable, so that Twilio retries.
    """
    service = request.app[SERVICE]
    message = read_message(await signed_form(request))
    brand = brand_of(service, message.to, message.sender_pool)
    return _answer(brand, message, await take_message(service, brand, message))


def _answer(brand: AppliedBrand, message: InboundMessage, outcome: Outcome | None) -> web.Response:
    language = brand.brand.default_language
    text = replies.text_for(
        outcome,
        brand_name=brand.brand.name_in(language),
        language=language,
        contact=brand.brand.contact_text,
        # Two answers to one STOP are one too many (RULES S-15).
        provider_answers=brand.brand.replies_by_provider or is_answered(message),
        custom_texts=dict[str, str](brand.brand.reply_texts(language).items()),
    )
    return web.Response(text=twiml.reply(text), content_type="text/xml", charset="utf-8")
