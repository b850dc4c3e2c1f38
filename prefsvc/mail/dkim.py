"""Whether DKIM's signatures on a mail are good (RFC 6376, RFC 8301, RFC 8463). Pure.

Rule 1: what names the key is read first; whoever calls asks DNS, and gives what it said.
Rule 2: any octets are read in time proportional to their number, which the common libraries do not
hold to: some blanks in a row keep dkimpy busy for minutes.
Rule 3: a signature that leaves room for words that were not signed proves nothing: the header must
have one From field, and the whole body must be covered.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from prefsvc.mail import addresses
from prefsvc.mail.authentication import Result, is_at_or_below

SIGNATURES_MAX: Final = 5
FIELDS_MAX: Final = 1000
KEY_CHARS_MAX: Final = 4096
RSA_BITS: Final = range(1024, 4097)
"""RFC 8301 §3.2; a longer key takes a long time, and nobody needs it."""

_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}"
)
_FOLD: Final = re.compile(rb"\r\n(?=[ \t])")
_BLANKS: Final = re.compile(rb"[ \t]+")

Tags = dict[str, str]


@dataclass(frozen=True, slots=True)
class Seal:
    """One DKIM-Signature field that can be checked, once its key is known."""

    domain: str
    selector: str
    tags: Tags = field(repr=False)
    field: bytes = field(repr=False)

    @property
    def key_name(self) -> str:
        """Return the name that its key is published at."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True)
class Signed:
    """A mail as signatures see it."""

    fields: Sequence[tuple[bytes, bytes]] = field(repr=False)
    """Names in lower case, with the whole field."""
    body: bytes = field(repr=False)
    seals: tuple[Seal, ...] = ()

    @property
    def author(self) -> str | None:
        """Return the address in its one From field, canonical; None where there are several."""
        froms = [whole for name, whole in self.fields if name == b"from"]
        if len(froms) != 1 or len(self.fields) > FIELDS_MAX:
            return None
        value = _FOLD.sub(b"", froms[0]).partition(b":")[2].decode("utf-8", "replace")
        listed = addresses.listed(value)
        return addresses.canonical(listed[0].strip()) if len(listed) == 1 else None


def read(raw: bytes) -> Signed:
    """Read the signatures on a raw mail, the topmost first; broken ones are passed over."""
    text = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    head, _, body = text.partition(b"\r\n\r\n")
    fields = list(_fields(head))
    seals = (_seal(whole) for name, whole in fields if name == b"dkim-signature")
    return Signed(fields, body, tuple(one for one in seals if one)[:SIGNATURES_MAX])


def verify(signed: Signed, seal: Seal, key_record: str | None, now: datetime) -> Result:
    """Say whether a signature is good, by what DNS says of its key; None if it said nothing."""
    if key_record is None:
        return "temperror"
    if wrong := _unacceptable(signed, seal, now):
        return wrong
    if not hmac.compare_digest(_body_digest(signed, seal), _octets(seal.tags["bh"])):
        return "fail"
    return _verify(_signed_octets(signed, seal), seal, key_record)


def tags_of(text: str) -> Tags:
    """Read a list of tags (RFC 6376 §3.2); of one that is there twice the first counts."""
    tags: Tags = {}
    for piece in text.split(";"):
        name, equals, value = piece.partition("=")
        if equals:
            tags.setdefault(name.strip(), value.strip())
    return tags


def _fields(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    whole: list[bytes] = []
    for line in head.split(b"\r\n"):
        if line[:1] not in (b" ", b"\t") and whole:
            yield _named(b"\r\n".join(whole))
            whole = []
        whole.append(line)
    if whole:
        yield _named(b"\r\n".join(whole))


def _named(whole: bytes) -> tuple[bytes, bytes]:
    name, colon, _ = whole.partition(b":")
    return (name.strip(b" \t").lower() if colon else b""), whole


def _seal(whole: bytes) -> Seal | None:
    value = _FOLD.sub(b"", whole).partition(b":")[2].decode("ascii", "replace")
    tags = tags_of(value)
    domain, selector = tags.get("d", "").lower().rstrip("."), tags.get("s", "").lower()
    is_whole = {"v", "a", "b", "bh", "h"} <= tags.keys() and tags["v"] == "1"
    if not is_whole or not _NAME.fullmatch(domain):
        return None
    return Seal(domain, selector, tags, whole) if _NAME.fullmatch(f"{selector}.{domain}") else None


def _unacceptable(signed: Signed, seal: Seal, now: datetime) -> Result | None:
    """Say what keeps a signature from being checked, or from proving anything."""
    tags = seal.tags
    identity = tags.get("i", "").lower().rpartition("@")[2] or seal.domain
    if "from" not in _names_signed(seal) or not is_at_or_below(identity, seal.domain):
        return "permerror"
    if tags["a"] not in {"rsa-sha256", "ed25519-sha256"}:
        return "policy"  # RFC 8301 §3.1: rsa-sha1 proves nothing
    if signed.author is None or _covers_less(signed, seal):
        return "policy"
    expires = tags.get("x", "")
    return "fail" if expires.isdecimal() and int(expires[:12]) < now.timestamp() else None


def _verify(data: bytes, seal: Seal, key_record: str) -> Result:
    try:
        check = _checker(tags_of(key_record), seal)
        if check is None:
            return "policy"
        check(_octets(seal.tags["b"]), data)
    except InvalidSignature:
        return "fail"
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "permerror"
    return "pass"


def _covers_less(signed: Signed, seal: Seal) -> bool:
    length = seal.tags.get("l")
    if length is None:
        return False
    return not length.isdecimal() or int(length[:12]) < len(_canonical_body(signed, seal))


def _checker(key: Tags, seal: Seal) -> Callable[[bytes, bytes], None] | None:
    """Return what checks by a key; None where the key is not good enough to prove anything."""
    algorithm, _, digest = seal.tags["a"].partition("-")
    usable = (
        key.get("v", "DKIM1") == "DKIM1"
        and key.get("k", "rsa") == algorithm
        and digest in _listed(key.get("h", digest))
        and not {"*", "email"}.isdisjoint(_listed(key.get("s", "*")))
    )
    if not usable or not key.get("p") or len(key["p"]) > KEY_CHARS_MAX:  # none: it was revoked
        raise ValueError("no key for this signature")
    if _is_strict(key) and seal.tags.get("i", "@" + seal.domain).rpartition("@")[2] != seal.domain:
        raise ValueError("the key is for the domain itself")
    return _checker_of(algorithm, _octets(key["p"]))


def _checker_of(algorithm: str, octets: bytes) -> Callable[[bytes, bytes], None] | None:
    if algorithm == "ed25519":
        ed25519 = Ed25519PublicKey.from_public_bytes(octets)
        # RFC 8463 §3: what is signed is the digest.
        return lambda signature, data: ed25519.verify(signature, hashlib.sha256(data).digest())
    rsa = load_der_public_key(octets)
    if not isinstance(rsa, RSAPublicKey):
        raise TypeError("no RSA key")
    if rsa.key_size not in RSA_BITS:
        return None
    return lambda signature, data: rsa.verify(signature, data, PKCS1v15(), SHA256())


def _is_strict(key: Tags) -> bool:
    return "s" in _listed(key.get("t", ""))


def _listed(text: str) -> set[str]:
    return {one.strip() for one in text.split(":")}


def _names_signed(seal: Seal) -> list[str]:
    return [name.strip().lower() for name in seal.tags["h"].split(":")]


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()))
    except (binascii.Error, ValueError):
        return b""


# --- one spelling of what was signed --------------------------------------------------------------


def _ways(seal: Seal) -> tuple[str, str]:
    header, _, body = seal.tags.get("c", "simple/simple").lower().partition("/")
    return header, body or "simple"


def _body_digest(signed: Signed, seal: Seal) -> bytes:
    return hashlib.sha256(_canonical_body(signed, seal)).digest()


def _canonical_body(signed: Signed, seal: Seal) -> bytes:
    is_relaxed = _ways(seal)[1] == "relaxed"
    body = signed.body
    if is_relaxed:
        # One blank at the most is left at the end of a line: no pattern need look for more.
        body = _BLANKS.sub(b" ", body).replace(b" \r\n", b"\r\n")
        body = body.removesuffix(b" ")
    body = _without_empty_lines(body)
    return body + b"\r\n" if body or not is_relaxed else b""


def _without_empty_lines(body: bytes) -> bytes:
    """Cut the line ends at the end of a body, and nothing else."""
    content = body.rstrip(b"\r\n")
    ends = body[len(content) :]
    lone = len(ends) if ends.endswith(b"\r") else ends.rfind(b"\r\r\n") + 1
    return content + ends[:lone]


def _signed_octets(signed: Signed, seal: Seal) -> bytes:
    is_relaxed = _ways(seal)[0] == "relaxed"
    spelled: Callable[[bytes], bytes] = _relaxed if is_relaxed else bytes
    left: dict[bytes, list[bytes]] = {}
    for name, whole in signed.fields:
        left.setdefault(name, []).append(whole)
    chosen = [
        of_name.pop()  # §5.4.2: the lowest of a name is signed first
        for name in _names_signed(seal)
        if (of_name := left.get(name.encode()))
    ]
    return b"".join(spelled(one) + b"\r\n" for one in chosen) + spelled(_unsigned(seal.field))


def _relaxed(whole: bytes) -> bytes:
    name, _, value = whole.partition(b":")
    unfolded = _BLANKS.sub(b" ", value.replace(b"\r\n", b""))
    return name.strip(b" \t").lower() + b":" + unfolded.strip(b" ")


def _unsigned(whole: bytes) -> bytes:
    """Return a DKIM-Signature field with its `b=` empty, as it was when it was signed."""
    name, _, value = whole.partition(b":")
    pieces = [
        tag + b"=" if tag.strip() == b"b" else piece
        for piece in value.split(b";")
        for tag in [piece.partition(b"=")[0]]
    ]
    return name + b":" + b";".join(pieces)
