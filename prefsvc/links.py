"""Sealed links: all that a mailing program needs to mint a brand's unsubscribe links by itself.

This file needs nothing but `cryptography`, so that it can be copied into any program that holds
the brand's link key. The format is published in docs/tokens.md, byte by byte, with test vectors.

    python -m prefsvc.links KEY https://prefs.example.com email ann@example.org --topic news
"""

import argparse
import base64
import hashlib
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from email.policy import Policy
from functools import lru_cache
from typing import Final, Literal, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

Channel = Literal["email", "sms", "post", "whatsapp"]
# Their order is in every token.
_CHANNELS: Final[tuple[Channel, ...]] = ("email", "sms", "post", "whatsapp")

KEY_ID_OCTETS = 3
SECRET_OCTETS = (32, 64)  # AES-SIV with AES-128 or AES-256
TOKEN_LENGTH_MAX = 1024
ADDRESS_OCTETS_MAX = 320  # RFC 5321 §4.5.3.1: 64 + "@" + 255
TOPIC_OCTETS_MAX = MAILSHOT_OCTETS_MAX = 64
LANGUAGE_OCTETS_MAX = 35  # RFC 5646 §4.4.1

ONE_CLICK = "List-Unsubscribe=One-Click"  # RFC 8058 §5: this, byte for byte

_KEY_ID_LABEL = b"prefsvc link key id v1\0"
_CHANNEL_BITS = 0b11
_OPTIONS_FROM_BIT = 2
_OPTIONS = ("topic", "mailshot", "language")
_COUNTRY_BIT = 5  # the two bits above it are zero
_COUNTRY = re.compile(r"[A-Z]{2}")
_URI = re.compile(r"(?:https://|mailto:)[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+=%]+")
_LINE_LENGTH = 78


class InvalidLink(ValueError):  # noqa: N818 - said of the link, as prefsvc.errors does
    """This token was not made with any of these keys, or was altered since."""


@dataclass(frozen=True, slots=True)
class LinkKey:
    """A brand's key for sealed links; whoever holds it can mint them."""

    secret: bytes = field(repr=False)
    key_id: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Derive the public id, by which a token names its key."""
        if len(self.secret) not in SECRET_OCTETS:
            raise ValueError("a link key has 32 or 64 octets")
        digest = hashlib.sha256(_KEY_ID_LABEL + self.secret).digest()
        object.__setattr__(self, "key_id", digest[:KEY_ID_OCTETS])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a key as it is handed to programs; a damaged one does not fit its id."""
        version, _, rest = text.strip().partition("_")
        key_id, _, secret = rest.partition("_")
        try:
            key = cls(_octets(secret))
        except ValueError:
            raise ValueError("this is not a link key; it starts with lk1_") from None
        if version != "lk1" or key.key_id.hex() != key_id:
            raise ValueError("this link key was damaged on its way; copy it again")
        return key

    @property
    def text(self) -> str:
        """The key as it is handed to programs; keep it as secret as a password."""
        return f"lk1_{self.key_id.hex()}_{_text(self.secret)}"


@dataclass(frozen=True, slots=True)
class Link:
    """What a link stands for; its repr hides the address, because tracebacks print reprs."""

    channel: Channel
    address: str = field(repr=False)
    topic: str | None = None
    mailshot: str | None = None
    language: str | None = None
    country: str | None = None

    def __post_init__(self) -> None:
        """Refuse what would not fit into a token."""
        if self.channel not in _CHANNELS:
            raise ValueError("the channel of a link is email, sms, post or whatsapp")
        _require_octets("address", self.address, ADDRESS_OCTETS_MAX)
        for name, text, limit in (
            ("topic", self.topic, TOPIC_OCTETS_MAX),
            ("mailshot", self.mailshot, MAILSHOT_OCTETS_MAX),
            ("language", self.language, LANGUAGE_OCTETS_MAX),
        ):
            if text is not None:
                _require_octets(name, text, limit)
        if self.country is not None and not _COUNTRY.fullmatch(self.country):
            raise ValueError("the country of a link is two capital letters (ISO 3166)")


class ListUnsubscribe(str):
    """The value of `List-Unsubscribe`, which keeps its URIs whole in Python's email package.

    That package RFC 2047-encodes any word of a header past some 76 characters, and a mail provider
    then finds no link. But it lets a value that has a `name` fold itself, as this one does.
    """

    __slots__ = ()
    name = "List-Unsubscribe"

    @property
    def value(self) -> str:
        """The value on one line, for a program that folds headers itself."""
        return str(self)

    @property
    def folded(self) -> str:
        """The value for a program that writes raw headers: a line for each URI."""
        return self._folded("\r\n")

    def fold(self, *, policy: Policy) -> str:
        """Write the whole field; a URI is never broken, however long its line becomes."""
        first, *_ = self.split(", ")
        start = " " if len(f"{self.name}: {first},") <= _LINE_LENGTH else policy.linesep + " "
        return f"{self.name}:{start}{self._folded(policy.linesep)}{policy.linesep}"

    def _folded(self, line_end: str) -> str:
        return self.replace(", ", f",{line_end} ")


def seal(key: LinkKey, link: Link) -> str:
    """Make the token of a link: always the same for the same key and link."""
    sealed = _cipher(key.secret).encrypt(_packed(link), [key.key_id])
    return _text(key.key_id + sealed)


def unseal(keys: LinkKey | Iterable[LinkKey], token: str) -> Link:
    """Read a token made with any of these keys; one bit changed anywhere and it is refused."""
    key_id, sealed = parted(token)
    for key in (keys,) if isinstance(keys, LinkKey) else keys:
        if key.key_id == key_id and (link := opened(key, sealed)):
            return link
    raise InvalidLink


def parted(token: str) -> tuple[bytes, bytes]:
    """Part a sealed token into the id of its key and what that key sealed."""
    if len(token) > TOKEN_LENGTH_MAX:
        raise InvalidLink
    try:
        octets = _octets(token)
    except ValueError:
        raise InvalidLink from None
    return octets[:KEY_ID_OCTETS], octets[KEY_ID_OCTETS:]


def opened(key: LinkKey, sealed: bytes) -> Link | None:
    """Open what a key of this id sealed; None if it was another: ids are short."""
    try:
        return _unpacked(_cipher(key.secret).decrypt(sealed, [key.key_id]))
    except InvalidTag:
        return None


@lru_cache(maxsize=256)
def _cipher(secret: bytes) -> AESSIV:
    return AESSIV(secret)


def unsubscribe_url(base_url: str, token: str) -> str:
    """Make the link of a token: GET shows a page, POST is the one click."""
    return f"{base_url.rstrip('/')}/u/{token}"


def message_headers(base_url: str, token: str, mailto: str | None = None) -> dict[str, str]:
    """Make the two headers of a marketing message; `mailto` is a whole `mailto:` URI."""
    url = unsubscribe_url(base_url, token)
    return {ListUnsubscribe.name: list_unsubscribe(url, mailto), "List-Unsubscribe-Post": ONE_CLICK}


def list_unsubscribe(https_url: str, mailto: str | None = None) -> ListUnsubscribe:
    """Make the value of `List-Unsubscribe`: one https URI (E-01), before the mailto (E-09)."""
    uris = [https_url] if mailto is None else [https_url, mailto]
    for uri, scheme in zip(uris, ("https://", "mailto:"), strict=False):
        if not uri.startswith(scheme) or not _URI.fullmatch(uri):
            raise ValueError(f"a List-Unsubscribe needs a plain {scheme} URI here")
    return ListUnsubscribe(", ".join(f"<{uri}>" for uri in uris))


def _packed(link: Link) -> bytes:
    options = (link.topic, link.mailshot, link.language)
    head = _CHANNELS.index(link.channel)
    body = b""
    for bit, option in enumerate(options, _OPTIONS_FROM_BIT):
        if option is not None:
            head |= 1 << bit
            body += len(option.encode()).to_bytes() + option.encode()
    if link.country is not None:
        head |= 1 << _COUNTRY_BIT
        body += link.country.encode()
    return head.to_bytes() + body + link.address.encode()


def _unpacked(payload: bytes) -> Link:
    options: dict[str, str] = {}
    try:
        head, rest = payload[0], payload[1:]
        for bit, name in enumerate(_OPTIONS, _OPTIONS_FROM_BIT):
            if head & 1 << bit:
                end = 1 + rest[0]
                options[name], rest = rest[1:end].decode(), rest[end:]
        if head & 1 << _COUNTRY_BIT:
            options["country"], rest = rest[:2].decode(), rest[2:]
        if head >> _COUNTRY_BIT + 1:
            raise InvalidLink  # a version of the format that is yet to come
        return Link(_CHANNELS[head & _CHANNEL_BITS], rest.decode(), **options)
    except (IndexError, ValueError):
        raise InvalidLink from None


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def _octets(text: str) -> bytes:
    octets = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if _text(octets) != text:  # padding, white space, another alphabet, spare bits that are set
        raise ValueError("not the one spelling of these octets")
    return octets


def _require_octets(name: str, text: str, limit: int) -> None:
    if not 1 <= len(text.encode()) <= limit or "\0" in text:
        raise ValueError(f"the {name} of a link has 1 to {limit} octets, none of them zero")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the link for one address; `@file` reads the key from a file."""
    parser = argparse.ArgumentParser("python -m prefsvc.links", fromfile_prefix_chars="@")
    parser.add_argument("key")
    parser.add_argument("base_url")
    parser.add_argument("channel", choices=_CHANNELS)
    parser.add_argument("address")
    for option in (*_OPTIONS, "country"):
        parser.add_argument(f"--{option}")
    chosen = parser.parse_args(arguments)
    try:
        key = LinkKey.parse(chosen.key)
        options = {name: getattr(chosen, name) for name in (*_OPTIONS, "country")}
        link = Link(chosen.channel, chosen.address, **options)
    except ValueError as e:
        parser.error(str(e))
    sys.stdout.write(unsubscribe_url(chosen.base_url, seal(key, link)) + "\n")


if __name__ == "__main__":
    main()
