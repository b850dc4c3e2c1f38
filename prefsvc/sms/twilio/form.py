"""The forms that Twilio posts, and the parameters that all of them share (RULES S-01).

What is kept of one can be stored: no NUL, no lone surrogate, a bounded length.
"""

import re
from typing import Final
from urllib.parse import parse_qsl

from multidict import MultiDict, MultiMapping

from prefsvc.errors import UnreadableMessage
from prefsvc.sms.message import FIELD_CHARS_MAX, storable

# Twilio sends some thirty, and more in time. The signature's check sorts them anew for each token
# and spelling of the URL, so that tens of thousands from a stranger would cost many messages' time.
PARAMETERS_MAX: Final = 1024

_NETWORK: Final = re.compile(r"([a-z][a-z0-9+.-]{0,31}):(.*)", re.DOTALL | re.IGNORECASE)
_PHONE_NETWORKS: Final = frozenset({"mms", "sms", "tel"})


def parse_form(body: bytes) -> MultiDict[str]:
    """Read a urlencoded body with its blank and repeated parameters; never raises.

    One with too many parameters reads as none, and then no signature covers it.
    """
    text = body.decode(errors="replace")
    if text.count("&") >= PARAMETERS_MAX:
        return MultiDict()
    return MultiDict(parse_qsl(text, keep_blank_values=True))


def optional(form: MultiMapping[str], name: str) -> str | None:
    """Return a parameter; None where it is missing or blank."""
    return storable(form.get(name, "").strip(), FIELD_CHARS_MAX) or None


def required(form: MultiMapping[str], *names: str) -> str:
    """Return the first of these parameters that says something, or refuse the form."""
    for name in names:
        value = optional(form, name)
        if value and parted(value)[1]:
            return value
    raise UnreadableMessage(pointer=names[0])


def message_sid_of(form: MultiMapping[str]) -> str:
    """Return what names the message, under its name of today or an old one."""
    return required(form, "MessageSid", "SmsSid", "SmsMessageSid")


def parted(text: str) -> tuple[str, str]:
    """Part `whatsapp:+12025550123` into the network and the address on it (S-31)."""
    prefixed = _NETWORK.fullmatch(text)
    if prefixed is None:
        return "sms", text
    network = prefixed[1].lower()
    return "sms" if network in _PHONE_NETWORKS else network, prefixed[2].strip()
