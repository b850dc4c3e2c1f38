"""The kinds of values in a brand's file: each reads a text, or says what it must be."""

import re
from typing import Final
from urllib.parse import urlsplit

import phonenumbers

from prefsvc.honour import is_known_calendar

_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_HOST: Final = re.compile(
    r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
)
# What browsers accept in <input type=email>, which is what a page can link to (WHATWG HTML).
_LOCAL_PART: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_SHORT_CODE: Final = re.compile(r"[0-9]{5,6}")
_MESSAGING_SERVICE: Final = re.compile(r"MG[0-9a-f]{32}")
_TWILIO_ACCOUNT: Final = re.compile(r"AC[0-9a-f]{32}")
_TELNYX_PROFILE: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")
_LEAST_CONTRAST: Final = 4.5  # WCAG 2.2, 1.4.3 (AA): text against its background


def slug(text: str) -> str:
    """Read the short name of a brand or topic, as links and files carry it."""
    if _SLUG.fullmatch(text):
        return text
    raise ValueError(
        f'"{text}" is no slug: 1 to 32 lower-case letters, digits and dashes, no dash at either end'
    )


def country(text: str) -> str:
    """Read the country, or part of one, whose holidays count."""
    if is_known_calendar(text):
        return text
    raise ValueError(
        f'"{text}" is not a country (ISO 3166) with known holidays; write "US" or "GB-ENG"'
    )


def email(text: str) -> str:
    """Read an email address that a page can link to."""
    local, _, host = text.rpartition("@")
    if _LOCAL_PART.fullmatch(local) and _HOST.fullmatch(host.lower()):
        return text
    raise ValueError("is not an email address; write it as care@brand.example")


def web_address(text: str) -> str:
    """Read the address of a web page."""
    parts = urlsplit(text) if text.isascii() and text.isprintable() and " " not in text else None
    if parts and parts.scheme == "https" and parts.netloc and _HOST.fullmatch(parts.netloc.lower()):
        return text
    raise ValueError(f'"{text}" is not a web address; write it as https://brand.example/contact')


def domain(text: str) -> str:
    """Read a mail domain."""
    if _HOST.fullmatch(text):
        return text
    raise ValueError(
        f'"{text}" is not a domain; write it in lower case as mail.brand.example'
        " (international ones as xn--...)"
    )


def phone(text: str) -> str:
    """Read a telephone number in E.164."""
    if _E164.fullmatch(text) and _is_possible(text):
        return text
    raise ValueError(
        f'"{text}" is not a number in E.164; write it with its country as +12025550123'
    )


def _is_possible(number: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False


def sms_number(text: str) -> str:
    """Read a number that texts come from: E.164, or a short code."""
    return text if _SHORT_CODE.fullmatch(text) else phone(text)


def messaging_service(text: str) -> str:
    """Read the id of a set of numbers: Twilio's messaging service or Telnyx' messaging profile."""
    if _MESSAGING_SERVICE.fullmatch(text) or is_telnyx_profile(text):
        return text
    raise ValueError(
        f'"{text}" is not a messaging service; write MG and 32 of 0-9 a-f (Twilio), or the id of'
        " the messaging profile as 40017d4e-0000-4000-8000-0123456789ab (Telnyx)"
    )


def is_telnyx_profile(service: str) -> bool:
    """Say whether a messaging service is a messaging profile of Telnyx'."""
    return bool(_TELNYX_PROFILE.fullmatch(service))


def twilio_account(text: str) -> str:
    """Read the id of a Twilio account."""
    if _TWILIO_ACCOUNT.fullmatch(text):
        return text
    raise ValueError(f'"{text}" is not a Twilio account; write AC and 32 of 0-9 a-f')


def accent(text: str) -> str:
    """Read a colour in which white text can be read, and which can be read on white."""
    colour = text.lower()
    if not _COLOUR.fullmatch(colour):
        raise ValueError(f'"{text}" is not a colour; write it as "#7a1f3d"')
    found = contrast_with_white(colour)
    if found < _LEAST_CONTRAST:
        raise ValueError(
            f"{colour} has a contrast of {found:.2f} with white; {_LEAST_CONTRAST} is needed"
            " (WCAG 2.2 AA): take a darker one"
        )
    return colour


def contrast_with_white(colour: str) -> float:
    """Return the contrast ratio of "#rrggbb" and white, from 1 to 21 (WCAG 2.2)."""
    red, green, blue = (_linear(int(colour[n : n + 2], 16) / 255) for n in (1, 3, 5))
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def _linear(share: float) -> float:
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - WCAG's formula
