"""The addresses in a header field, and the tokens in addresses and links.

They are read from the field as it stands: an encoded word that holds an address is a name that was
made to look like one.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote

from prefsvc.address import Address
from prefsvc.errors import InvalidAddress
from prefsvc.links import TOKEN_LENGTH_MAX
from prefsvc.list_headers import parse_list_unsubscribe
from prefsvc.mail.message import Entity
from prefsvc.token import SHORT_TOKEN_LENGTH

ADDRESSES_MAX: Final = 10_000
RECIPIENT_FIELDS: Final = (
    "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-rcpt-to", "x-forwarded-to",
    "to", "cc", "resent-to", "resent-cc", "apparently-to",
)  # fmt: skip

# What surrounds or separates addresses; each alternative begins with another character.
_PIECE: Final = re.compile(
    r'"(?:[^"\\]|\\.)*+"?|\((?:[^()\\]|\\.)*+\)?|<++[^<>]*+>?|[,;]++|[^"(<,;]+|.', re.DOTALL
)
_GROUP_NAME: Final = re.compile(r"^[^@<\"\[]*:")
_ROUTE: Final = re.compile(r"^@[^:]*:")
_BARE: Final = re.compile(
    r"(?<![\w.+-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,10}"
)
_TYPED: Final = re.compile(r"^(?:smtp|rfc-?822)=", re.IGNORECASE)  # as X.400 writes them

_SHORT: Final = re.compile(rf"[a-z2-7]{{{SHORT_TOKEN_LENGTH}}}", re.IGNORECASE)
_SEALED_LENGTH_MIN: Final = 28  # base64url of a key id, a tag and one octet or more of a link
_SEALED: Final = re.compile(rf"[A-Za-z0-9_-]{{{_SEALED_LENGTH_MIN},{TOKEN_LENGTH_MAX}}}")
# Some programs escape the plus sign, or take it for an escaped space.
_TOKEN_LOCAL: Final = re.compile(r"u(?:\+|%2b| )(.+)", re.IGNORECASE)
_VERP_LOCAL: Final = re.compile(r"[a-z]{1,16}[+=-](.+)", re.IGNORECASE)
_TOKEN_PATH: Final = re.compile(r"/u/([^/?#\s]+)")


def listed(value: str) -> list[str]:
    """Return the addresses of a field such as To, as they are written, without names."""
    found: list[str] = []
    bracketed, loose = "", ""
    for piece in _PIECE.finditer(value):
        text = piece[0]
        if text[0] in ",;":
            found += _one(bracketed, loose)
            bracketed, loose = "", ""
        elif text.startswith("<"):
            bracketed = text.strip("<>")
        elif not text.startswith("("):
            loose += text
        if len(found) >= ADDRESSES_MAX:
            return found
    return [*found, *_one(bracketed, loose)]


def canonical(text: str | None) -> str | None:
    """Return an address in canonical form, or None where it is none or could reach nobody."""
    try:
        return Address.for_opt_out("email", text or "").canonical if text else None
    except InvalidAddress:
        return None


def first(entity: Entity, *names: str) -> str | None:
    """Return the first address in the first of these fields that has one, in canonical form."""
    for name in names:
        for value in entity.all(name):
            for text in listed(value):
                if found := canonical(text):
                    return found
    return None


def recipients(message: Entity) -> list[str]:
    """Return, as written, whom a message says it was sent to."""
    values = [value for name in RECIPIENT_FIELDS for value in message.all(name)]
    found = [text for value in values for text in listed(value)]
    return list(dict.fromkeys(found))[:ADDRESSES_MAX]


def in_text(text: str) -> list[tuple[int, str]]:
    """Return what looks like an address in running text, with where it stands."""
    found = ((one.start(), _TYPED.sub("", one[0])) for one in _BARE.finditer(text))
    return [(start, address.rstrip(".")) for start, address in found]


def tokens_of(written: Iterable[str]) -> list[str]:
    """Return the tokens among addresses (`u+<token>@…`, in any case), as they are written."""
    return list(_tokens(written, _TOKEN_LOCAL))


def tokens_in_original(original: Entity) -> Iterator[str]:
    """Yield the tokens that our own message carried (E-43), wherever it was reported or returned.

    The mailto and the link in List-Unsubscribe come first; then addresses made for one recipient.
    """
    for value in original.all("list-unsubscribe"):
        for uri in parse_list_unsubscribe(value):
            yield from _tokens_of_uri(uri)
    for name in ("return-path", "reply-to", "errors-to", "message-id"):
        for value in original.all(name):
            yield from _tokens(listed(value), _VERP_LOCAL)
    for name in ("cfbl-feedback-id", "x-prefsvc-token"):
        for value in original.all(name):
            token = "".join(value.split())  # white space in it counts for nothing (E-45)
            if is_token(token):
                yield token


def is_token(text: str) -> bool:
    """Say whether a text has the form of a token; whether it is one, only its key can tell."""
    return bool(_SHORT.fullmatch(text) or _SEALED.fullmatch(text))


def _one(bracketed: str, loose: str) -> list[str]:
    text = bracketed.strip() or _GROUP_NAME.sub("", loose.strip()).strip()
    text = _ROUTE.sub("", text)
    return [text] if "@" in text or "\uff20" in text else []


def _tokens(written: Iterable[str], shape: re.Pattern[str]) -> Iterator[str]:
    for text in written:
        found = shape.fullmatch(text.rpartition("@")[0].strip().strip('"'))
        if found and is_token(found[1]):
            yield found[1]


def _tokens_of_uri(uri: str) -> Iterator[str]:
    if uri.lower().startswith("mailto:"):
        yield from tokens_of([unquote(uri[7:].partition("?")[0])])
    elif (path := _TOKEN_PATH.search(uri)) and is_token(path[1]):
        yield path[1]
