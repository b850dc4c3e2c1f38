"""Recipient addresses: one canonical form for each email address, phone number and postal key.

An opt-out is read leniently, for it must be honoured however odd the address looks (E-62); an
opt-in is read strictly. What both accept has the same canonical form in both, so that an opt-in
always meets the opt-out it follows. How addresses are matched without being shown is written down
in docs/decisions/0002-address-keys.md.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal, Self, get_args
from urllib.parse import unquote

import idna
import phonenumbers
from email_validator import EmailNotValidError, validate_email

from prefsvc.country import known_country
from prefsvc.errors import InvalidAddress
from prefsvc.number_aliases import aliases

Channel = Literal["email", "sms", "whatsapp", "post"]
CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)
Kind = Literal["email", "sms", "post"]
"""What an address is; a phone number is called by the first channel that reached one."""

LENGTH_MAX = 1024  # characters as written, octets in canonical form: more is no address
BUCKET_COUNT = 64  # fixed at install: part of every stored key (DESIGN §7)
ADDRESS_KEY_OCTETS = 16
_SHA256_OCTETS, _BLOCK_OCTETS = 32, 64

_CHANNELS: Final[dict[str, Channel]] = {channel: channel for channel in CHANNELS}
_KINDS: Final[dict[Channel, Kind]] = {
    "email": "email", "sms": "sms", "whatsapp": "sms", "post": "post"
}  # fmt: skip

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # PostgreSQL's text holds neither
# Controls, and marks that only steer display or line breaking: they come along when an address is
# copied, and nobody can see them. (The joiners U+200C and U+200D stay: they change words.)
_INVISIBLE = re.compile(
    "[\x01-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u2064\u2066-\u2069\ufeff]"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a person is reached; its repr hides that, because tracebacks print reprs."""

    channel: Channel
    canonical: str = field(repr=False)
    as_written: str = field(repr=False, compare=False)

    @classmethod
    def for_opt_out(cls, channel: Channel, text: str) -> Self:
        """Read an address to suppress; refuse only what cannot be stored or could reach nobody."""
        return cls(channel, *_read(channel, text))

    @classmethod
    def for_opt_in(cls, channel: Channel, text: str) -> Self:
        """Read an address to message, and refuse what does not look like a working one."""
        address = cls.for_opt_out(channel, text)
        if channel == "email":
            _require_email_syntax(_cleaned(text))
        elif kind_of(channel) == "sms":
            # A number in an old spelling is possible if it is in the new one.
            _require_possible_number(address.canonical, *aliases(address.canonical))
        return address

    @property
    def sha256(self) -> bytes:
        """The digest by which a caller may ask without showing the address."""
        return sha256_of(self.canonical)

    @property
    def domain(self) -> str | None:
        """The mailbox provider's domain; only email addresses have one."""
        return self.canonical.rpartition("@")[2] if self.channel == "email" else None

    @property
    def country(self) -> str | None:
        """The country that a phone number belongs to (ISO 3166); None where that is not sure."""
        if kind_of(self.channel) != "sms":
            return None
        # An old spelling is a number of no country any more, and still of that of the new one.
        numbers = (self.canonical, *(one.canonical for one in self.aliases))
        return next(filter(None, map(_country_of, numbers)), None)

    @property
    def aliases(self) -> tuple[Self, ...]:
        """The other spellings of a phone number; of other addresses none are known (DESIGN §5)."""
        if kind_of(self.channel) != "sms":
            return ()
        return tuple(type(self).for_opt_out(self.channel, one) for one in aliases(self.canonical))

    @property
    def masked(self) -> str:
        """The address for a page: enough for its owner to know it, too little for another."""
        return _MASKS[kind_of(self.channel)](self.canonical)


def canonical_of(channel: Channel, text: str) -> str:
    """Return the canonical form of an address to suppress, or refuse it, as `for_opt_out` does."""
    return _read(channel, text)[0]


def parse_channel(text: str) -> Channel:
    """Read a channel back from the database."""
    return _CHANNELS[text]


def kind_of(channel: Channel) -> Kind:
    """Tell what addresses on a channel are: WhatsApp's are phone numbers (RULES S-31)."""
    return _KINDS[channel]


def channels_reaching(kind: Kind) -> tuple[Channel, ...]:
    """Return every channel on which addresses of a kind are reached."""
    return tuple(channel for channel in CHANNELS if _KINDS[channel] == kind)


def sha256_of(canonical: str) -> bytes:
    """Hash a canonical form; for ordinary addresses this is what mailing tools compute, too."""
    return hashlib.sha256(canonical.encode()).digest()


def address_key(pepper: bytes, channel: Channel, sha256: bytes) -> bytes:
    """Derive the key that rows are matched by; useless to a thief without the pepper (P-02).

    A phone number has one, whichever channel it is reached on (S-31).
    """
    if len(sha256) != _SHA256_OCTETS:
        raise ValueError("an address key needs a pepper and a SHA-256")
    return address_keys(pepper, _KINDS[channel])(sha256)


@lru_cache(maxsize=8)
def address_keys(pepper: bytes, kind: Kind) -> Callable[[bytes], bytes]:
    """Return what derives the address keys of many SHA-256s, of addresses of a kind.

    Both hashes of an HMAC (RFC 2104) are begun once for all. To copy and end them takes a fifth of
    the time that an HMAC of the standard library does.
    """
    if not pepper:
        raise ValueError("an address key needs a pepper")
    key = pepper if len(pepper) <= _BLOCK_OCTETS else hashlib.sha256(pepper).digest()
    block = key.ljust(_BLOCK_OCTETS, b"\0")
    begun_inner = hashlib.sha256(bytes(octet ^ 0x36 for octet in block) + kind.encode() + b"\0")
    begun_outer = hashlib.sha256(bytes(octet ^ 0x5C for octet in block))

    def derive(sha256: bytes) -> bytes:
        inner, outer = begun_inner.copy(), begun_outer.copy()
        inner.update(sha256)
        outer.update(inner.digest())
        return outer.digest()[:ADDRESS_KEY_OCTETS]

    return derive


def bucket_of(address_key: bytes) -> int:
    """Tell which of the 64 buckets an address key belongs to: its low bits say it."""
    return address_key[-1] % BUCKET_COUNT


def by_bucket(address_keys: Iterable[bytes]) -> dict[int, list[bytes]]:
    """Sort address keys, each once, under their buckets: a statement each, in one order."""
    found: dict[int, list[bytes]] = {}
    for key in sorted(set(address_keys)):
        found.setdefault(bucket_of(key), []).append(key)
    return dict(sorted(found.items()))


def _read(channel: Channel, text: str) -> tuple[str, str]:
    """Return the canonical form and what was written."""
    if channel == "email" and len(text) <= LENGTH_MAX and _PLAIN_EMAIL.fullmatch(text):
        return text.lower(), text
    canonical, as_written = _READERS[kind_of(channel)](_cleaned(text))
    if len(canonical.encode()) > LENGTH_MAX:
        raise InvalidAddress
    return canonical, as_written


def _cleaned(text: str) -> str:
    if len(text) > LENGTH_MAX or _UNSTORABLE.search(text):
        raise InvalidAddress
    # Line breaks become spaces: lists are handed out line by line, and one address is one line.
    cleaned = unicodedata.normalize("NFC", " ".join(_INVISIBLE.sub("", text).split()))
    if not cleaned:
        raise InvalidAddress
    return cleaned


def _folded(text: str) -> str:
    # Casefold, not lower: it is the same under every locale (E-61). NFC, never NFKC.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


# --- email -----------------------------------------------------------------------------------

# Most addresses are of this shape, in which only the case can differ; what is below takes twenty
# times as long to come to the same.
_PLAIN_EMAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*", re.ASCII
)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_DOMAIN_LITERAL = re.compile(r"\[[^\[\]]*\]")
_OPAQUE = re.compile(rf"{_QUOTED.pattern}|\\.|{_DOMAIN_LITERAL.pattern}")
_COMMENT = re.compile(r"\([^()]*\)")
# As one odd address they would be stored, answered with success, and match nobody.
_SEVERAL = re.compile(r"@[^@]*[,;][^@]*@|@[^@<]*\s[^@<]*@")
_FULL_WIDTH_AT = re.compile("[\uff20\ufe6b]")
_BARE_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~.\-\u0080-\U0010ffff]+")
_LABEL_DOT = re.compile("[.\u3002\uff0e\uff61]")
_NEVER_IN_A_HOST = re.compile(r'[ "()<>\[\]\\@]')
_HOST_TEXT = re.compile(r"[a-z0-9_.\-\u0080-\U0010ffff]*")


def _email(text: str) -> tuple[str, str]:
    while (inner := _unwrapped(text)) != text:
        text = inner
    at = _last_at(text)
    local, domain = text[: max(at, 0)].strip(), _domain(text[at + 1 :].strip())
    if not local or not domain:
        raise InvalidAddress
    return f"{_local(local)}@{domain}", text


def _syntax_of(text: str) -> str:
    """Blank out quoted strings, escapes and domain literals, so that only syntax is seen."""
    return _OPAQUE.sub(lambda found: "\0" * len(found[0]), text)


def _unwrapped(text: str) -> str:
    """Take off one layer of what may surround an address: `mailto:`, quotes, comments, a name."""
    if text[:7].casefold() == "mailto:":
        return _cleaned(unquote(text[7:].partition("?")[0]))  # RFC 6068: escapes, then headers
    if _QUOTED.fullmatch(text):
        return _cleaned(_unquoted(text))  # a whole address in quotes, as a spreadsheet writes it
    syntax = _syntax_of(text)
    if comment := _COMMENT.search(syntax):
        return _cleaned(f"{text[: comment.start()]} {text[comment.end() :]}")
    if _SEVERAL.search(syntax):
        raise InvalidAddress("Give one address; these are several.")
    start = syntax.rfind("<") + 1
    if start and syntax.endswith(">") and _last_at(text[start:-1]) >= 0:
        return text[start:-1].strip()
    return text


def _last_at(text: str) -> int:
    for candidate in (_syntax_of(text), text, _FULL_WIDTH_AT.sub("@", text)):
        if "@" in candidate:
            return candidate.rindex("@")
    return -1


def _local(text: str) -> str:
    """Fold the case, and leave quotes only where they are needed: quoted forms are equal (E-60)."""
    syntax = _syntax_of(text)
    cuts = [-1, *(n for n, char in enumerate(syntax) if char == "."), len(text)]
    words = [text[start + 1 : end].strip() for start, end in pairwise(cuts)]
    content = _folded(".".join(_unquoted(word) for word in words))
    if _BARE_LOCAL.fullmatch(content):
        return content
    escaped = re.sub(r'(["\\])', r"\\\1", re.sub(" +", " ", content))
    return f'"{escaped}"'


def _unquoted(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word[1:-1]) if _QUOTED.fullmatch(word) else word


def _domain(text: str) -> str:
    if _DOMAIN_LITERAL.fullmatch(text):
        return _folded(text)
    mapped = ".".join(_mapped_label(label.strip()) for label in _LABEL_DOT.split(text))
    domain = ".".join(_a_label(label) for label in mapped.split(".")).rstrip(".")
    return _NEVER_IN_A_HOST.sub("?", domain)  # so that it is one domain when read again


def _mapped_label(label: str) -> str:
    try:
        mapped = idna.uts46_remap(label, std3_rules=False)
    except idna.IDNAError:
        return _folded(label)
    return mapped if _HOST_TEXT.fullmatch(mapped) else _folded(label)


def _a_label(label: str) -> str:
    # Plain punycode: for a valid label it is the A-label, and labels that IDNA 2008 dislikes but
    # registries sold (emoji) still have one form.
    if label.isascii() or not _HOST_TEXT.fullmatch(label):
        return label
    return "xn--" + label.encode("punycode").decode("ascii")


def _require_email_syntax(text: str) -> None:
    try:
        validate_email(text, check_deliverability=False)
    except EmailNotValidError:  # its sentence quotes the address, and a refusal may not
        raise InvalidAddress("This is not a complete email address; check its spelling.") from None


# --- phone -----------------------------------------------------------------------------------

_SCHEME = re.compile(r"\A(?:tel|callto|sms|smsto|mms|rcs|whatsapp):(?://)?\s*", re.IGNORECASE)
_INTERNATIONAL = re.compile(r"\A(?:\+?\s*00|\+)\s*")
_DIGITS_MIN, _DIGITS_MAX = 7, 15  # fewer is a short code, more is not E.164 (P-06)
_SHORT_CODE: Final = (
    "This is a short code, from which companies text; a person's phone number has at least seven"
    " digits with its country code."
)
_E164 = phonenumbers.PhoneNumberFormat.E164
# Numbers of other types (toll-free, personal, voice mail) are shared between countries.
_IN_ONE_COUNTRY: Final = frozenset(
    {
        phonenumbers.PhoneNumberType.FIXED_LINE,
        phonenumbers.PhoneNumberType.MOBILE,
        phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
    }
)


def _phone(text: str) -> tuple[str, str]:
    plain = "".join(str(unicodedata.decimal(char, char)) for char in text).replace("\uff0b", "+")
    number = _INTERNATIONAL.sub("+", _SCHEME.sub("", plain))
    if number.count("+") > 1:  # storing one of them would lose the other
        raise InvalidAddress("Give one phone number; these are several.")
    canonical = _e164(number) or _from_digits(number)
    if len(canonical) <= _DIGITS_MIN:
        raise InvalidAddress(_SHORT_CODE)
    if len(canonical) > _DIGITS_MAX + 1:
        raise InvalidAddress
    return canonical, text


def _e164(text: str) -> str | None:
    """Parse until nothing changes: each pass drops one trunk prefix, as of `+49 (0)`."""
    try:
        number = phonenumbers.format_number(phonenumbers.parse(text), _E164)
    except phonenumbers.NumberParseException:
        return None
    return number if number == text else _e164(number)


def _from_digits(text: str) -> str:
    """Read a number of a country code the tables lack, or one whose plus sign was left out."""
    digits = "+" + re.sub(r"\D", "", text)
    if digits == "+":
        raise InvalidAddress("This is a sender's name, not a phone number; no text reaches it.")
    if len(digits) <= _DIGITS_MIN and not any(char.isalpha() for char in text):
        raise InvalidAddress(_SHORT_CODE)
    number = _e164(digits)
    is_whole = text.startswith("+") or (number and _is_surely_international(number))
    if not is_whole or digits.startswith("+0") or any(char.isalpha() for char in text):
        raise InvalidAddress("Write the phone number with its country code, like +12025550123.")
    return number or digits


def _is_surely_international(e164: str) -> bool:
    # Some providers omit the plus; but a national number read so would be a stranger's. Those
    # have eleven digits at most, so a longer one need only be possible.
    number = phonenumbers.parse(e164)
    is_long = len(e164) > len("+") + 11
    return phonenumbers.is_valid_number(number) or (
        is_long and phonenumbers.is_possible_number(number)
    )


def _country_of(e164: str) -> str | None:
    try:
        number = phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.number_type(number) not in _IN_ONE_COUNTRY:
        return None
    return known_country(phonenumbers.region_code_for_number(number))


def _require_possible_number(*spellings: str) -> None:
    if not any(_is_possible(e164) for e164 in spellings):
        raise InvalidAddress("No phone network has numbers like this one; check its digits.")


def _is_possible(e164: str) -> bool:
    return bool(_e164(e164)) and phonenumbers.is_possible_number(phonenumbers.parse(e164))


# --- post ------------------------------------------------------------------------------------


def _postal_key(text: str) -> tuple[str, str]:
    # The company's own key of a customer or household: opaque, so only its spelling is levelled.
    return _folded(text), text


# --- masks -----------------------------------------------------------------------------------


def _masked_email(canonical: str) -> str:
    local, _, domain = canonical.rpartition("@")
    host, dot, top = domain.rpartition(".") if not domain.endswith("]") else ("", "", "")
    ending = dot + top if host else ""
    return _initial(local.strip('"')) + f"***@{_initial(host)}***{ending}"


def _initial(text: str) -> str:
    return text[0] if len(text) > 2 else ""  # noqa: PLR2004 - of two letters, one is half


def _masked_phone(canonical: str) -> str:
    digits = canonical[1:]
    head = max(0, min(4, len(digits) - 7))  # five digits or more stay hidden
    return f"+{digits[:head]}{'•' * (len(digits) - head - 2)}{digits[-2:]}"


def _masked_postal_key(canonical: str) -> str:
    hint = canonical[-2:] if len(canonical) >= 8 else ""  # noqa: PLR2004 - a quarter at most
    return f"•••{hint}"


_READERS: Final[dict[Kind, Callable[[str], tuple[str, str]]]] = {
    "email": _email, "sms": _phone, "post": _postal_key
}  # fmt: skip
_MASKS: Final[dict[Kind, Callable[[str], str]]] = {
    "email": _masked_email, "sms": _masked_phone, "post": _masked_postal_key
}  # fmt: skip
