"""POST /hooks/twilio/statuses: what became of the messages that senders sent by Twilio."""

from aiohttp import web

from prefsvc.doors import SERVICE
from prefsvc.sms.receiving import brand_of, take_status
from prefsvc.sms.twilio.reading import read_status
from prefsvc.sms.twilio.send_errors import SEND_ERRORS
from prefsvc.sms.twilio.signed import signed_form


async def post_status(request: web.Request) -> web.Response:
    """Record what an error says of the person; 204, as callbacks are answered (S-09)."""
    service = request.app[SERVICE]
    status = read_status(await signed_form(request))
    brand = brand_of(service, status.from_, status.sender_pool)
    if error := SEND_ERRORS.get(status.error_code or ""):
        await take_status(service, brand, status, error)
    return web.Response(status=204)
