"""Tokens as the service makes and reads them: every brand's keys, old and new, and both forms.

All keys derive from master secrets, so that a brand needs no secret of its own and an old link
works as long as its master is kept, which is forever (E-20). docs/tokens.md publishes the formats.
"""

import base64
import hmac
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from prefsvc import links
from prefsvc.address import BUCKET_COUNT, Channel, bucket_of
from prefsvc.errors import InvalidToken, UnknownBrand
from prefsvc.links import KEY_ID_OCTETS, InvalidLink, Link, LinkKey

MASTER_OCTETS = 32
LINK_ID_OCTETS = 8
_TAG_OCTETS = 8
_SHORT_OCTETS = KEY_ID_OCTETS + LINK_ID_OCTETS + _TAG_OCTETS
SHORT_TOKEN_LENGTH: Final = -(-_SHORT_OCTETS * 8 // 5)  # 31; "u+" before it fits 64 octets (E-08)

_LINK_LABEL = b"prefsvc link v1\0"
_SHORT_LABEL = b"prefsvc short link v1\0"
_LINK_ID_LABEL = b"prefsvc short link id v1\0"


@dataclass(frozen=True, slots=True)
class SealedToken:
    """A token that carries all its link says, and the brand whose key sealed it."""

    brand: str
    link: Link

    @property
    def channel(self) -> Channel:
        """The channel of the address inside."""
        return self.link.channel


@dataclass(frozen=True, slots=True)
class ShortToken:
    """A token that names a link which the register holds, and the brand it belongs to."""

    brand: str
    link_id: bytes


@dataclass(frozen=True, slots=True)
class _BrandKey:
    """What one master secret gives to one brand."""

    brand: str
    link: LinkKey
    tag_secret: bytes = field(repr=False)

    @classmethod
    def derive(cls, master: bytes, brand: str) -> Self:
        link = LinkKey(_derived(master, _LINK_LABEL + brand.encode(), 64))
        return cls(brand, link, _derived(master, _SHORT_LABEL + brand.encode(), 32))

    def tag(self, link_id: bytes) -> bytes:
        return hmac.digest(self.tag_secret, self.link.key_id + link_id, "sha256")[:_TAG_OCTETS]


class Keyring:
    """The keys of every brand, newest first."""

    def __init__(self, masters: Iterable[bytes], brands: Iterable[str]) -> None:
        """Derive what each master, newest first, gives to each brand."""
        self._masters = tuple(masters)
        if not self._masters or any(len(one) != MASTER_OCTETS for one in self._masters):
            raise ValueError(f"a keyring needs master secrets of {MASTER_OCTETS} octets")
        self._by_brand = {
            brand: tuple(_BrandKey.derive(master, brand) for master in self._masters)
            for brand in brands
        }
        self._by_id: dict[bytes, list[_BrandKey]] = {}
        for keys in self._by_brand.values():
            for key in keys:
                self._by_id.setdefault(key.link.key_id, []).append(key)

    @classmethod
    def for_brands(cls, masters: Iterable[bytes], slugs: Iterable[str]) -> Self:
        """Make the ring of these brands; no master that ever made a link may be left out."""
        return cls(masters, slugs)

    def with_brand(self, slug: str) -> Self:
        """Return a ring that has one brand more."""
        return type(self)(self._masters, [*self._by_brand, slug])

    def key(self, brand: str) -> LinkKey:
        """Return the key by which programs of this brand mint links today."""
        return self._newest(brand).link

    def short_token(self, brand: str, link_id: int | bytes) -> str:
        """Write the short token of a link that the register holds."""
        octets = link_id.to_bytes(LINK_ID_OCTETS) if isinstance(link_id, int) else link_id
        if len(octets) != LINK_ID_OCTETS:
            raise ValueError(f"a link id has {LINK_ID_OCTETS} octets")
        key = self._newest(brand)
        return _base32(key.link.key_id + octets + key.tag(octets))

    def candidates(self, token: str) -> Iterator[SealedToken | ShortToken]:
        """Read a token of unknown form: each reading that is authentic, nearly always one.

        The short form comes first; only a sealed token of just its length could pass for it.
        """
        if len(token) == SHORT_TOKEN_LENGTH:
            with suppress(InvalidToken):
                yield ShortToken(*self.read_short(token))
        with suppress(InvalidToken):
            yield SealedToken(*self.read(token))

    def read(self, token: str) -> tuple[str, Link]:
        """Read a sealed token: the brand whose key made it, and its link."""
        with suppress(InvalidLink):
            key_id, sealed = links.parted(token)
            for key in self._by_id.get(key_id, ()):
                if link := links.opened(key.link, sealed):  # not that of a brand with the same id
                    return key.brand, link
        raise InvalidToken

    def read_short(self, token: str) -> tuple[str, bytes]:
        """Read a short token, in any case of letters: the brand and the link's id."""
        octets = _short_octets(token)
        key_id, link_id = octets[:KEY_ID_OCTETS], octets[KEY_ID_OCTETS:-_TAG_OCTETS]
        for key in self._by_id.get(key_id, ()):
            if hmac.compare_digest(key.tag(link_id), octets[-_TAG_OCTETS:]):
                return key.brand, link_id
        raise InvalidToken

    def _newest(self, brand: str) -> _BrandKey:
        try:
            return self._by_brand[brand][0]
        except KeyError:
            raise UnknownBrand from None


def link_id_for(
    key: LinkKey,
    address_key: bytes,
    *,
    channel: Channel,
    topic: str | None = None,
    mailshot: str | None = None,
    language: str | None = None,
    country: str | None = None,
    attempt: int = 0,
) -> bytes:
    """Derive the id of a short link, the same whenever it is minted again.

    Its low six bits are the bucket of the address, so that the link is found beside it. `attempt`
    gives another id where another link has taken this one.
    """
    said = [channel, topic, mailshot, language, str(attempt)]
    if country is not None:  # ids that were made before links had countries stay as they are
        said.append(country)
    message = _LINK_ID_LABEL + address_key + b"".join(_field(text) for text in said)
    number = int.from_bytes(hmac.digest(key.secret, message, "sha256")[:LINK_ID_OCTETS])
    bucket = bucket_of(address_key)
    return (number - number % BUCKET_COUNT + bucket).to_bytes(LINK_ID_OCTETS)


def bucket_of_link(link_id: bytes) -> int:
    """Tell in which bucket a short link is stored, which is that of its address."""
    return int.from_bytes(link_id) % BUCKET_COUNT


def _derived(master: bytes, info: bytes, octets: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=octets, salt=None, info=info).derive(master)


def _field(text: str | None) -> bytes:
    """Write a field so that no two lists of fields read the same."""
    return b"\0" if text is None else b"\1" + len(text.encode()).to_bytes(4) + text.encode()


def _base32(octets: bytes) -> str:
    return base64.b32encode(octets).rstrip(b"=").decode("ascii").lower()


def _short_octets(token: str) -> bytes:
    if len(token) != SHORT_TOKEN_LENGTH or not token.isascii():
        raise InvalidToken
    try:
        octets = base64.b32decode(token.upper() + "=")
    except ValueError:
        raise InvalidToken from None
    if _base32(octets) != token.lower():  # spare bits that are set: not the one spelling
        raise InvalidToken
    return octets
