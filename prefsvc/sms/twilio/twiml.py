"""TwiML: how Twilio is told what to answer (S-09)."""

import re
from typing import Final

from twilio.twiml.messaging_response import MessagingResponse

# XML has no spelling for these, not even an escaped one.
_NOT_XML: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def reply(text: str | None) -> str:
    """Return the TwiML that answers with this text, or with nothing."""
    response = MessagingResponse()
    if text is not None:
        response.message(_NOT_XML.sub("", text))
    return str(response)
