"""The routes that providers of text messages post to."""

from aiohttp import web

from prefsvc.sms.telnyx.events import post_event
from prefsvc.sms.twilio.events import post_events
from prefsvc.sms.twilio.messages import take_text
from prefsvc.sms.twilio.statuses import post_status

SMS_ROUTES = [
    web.post("/hooks/telnyx/events", post_event),
    web.post("/hooks/twilio/events", post_events),
    web.post("/hooks/twilio/messages", take_text),
    web.get("/hooks/twilio/messages", take_text),
    web.post("/hooks/twilio/statuses", post_status),
]
