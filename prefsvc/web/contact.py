"""A brand's support contact as a link on a page."""

import re
from typing import Final
from urllib.parse import quote

from markupsafe import Markup

_EMAIL: Final = re.compile(r"[^\s@<>]+@[^\s@<>]+")
_WEB: Final = re.compile(r"https://[^\s<>]+")
_PHONE: Final = re.compile(r"\+?[0-9][0-9 ()./-]{4,}[0-9]")


def contact_link(contact: str) -> Markup:
    """Return a support contact as a link where it is one: mail, web or telephone."""
    if _EMAIL.fullmatch(contact):
        href = "mailto:" + quote(contact, safe="@+")
    elif _WEB.fullmatch(contact):
        href = contact
    elif _PHONE.fullmatch(contact):
        href = "tel:" + re.sub(r"[^+0-9]", "", contact)
    else:
        return Markup("<bdi>{}</bdi>").format(contact)
    shown = contact.removeprefix("https://").rstrip("/")
    return Markup('<a href="{}"><bdi dir="ltr">{}</bdi></a>').format(href, shown)
