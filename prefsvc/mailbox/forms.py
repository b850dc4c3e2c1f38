"""The forms in which inbound parsers post a raw mail and its envelope: pure, octets in and out.

SendGrid's Inbound Parse has the mail in `email` and the envelope as JSON in `envelope`, where "POST
the raw, full MIME message" is set. Mailgun's routes have it in `body-mime`, and in `recipient` whom
it is for, where they forward to an address that ends in `mime`. The mail stays as it came: its
charset is its own.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from prefsvc.errors import InvalidBody
from prefsvc.mail.addresses import listed

MULTIPART: Final = "multipart/form-data"
URLENCODED: Final = "application/x-www-form-urlencoded"
FIELDS_MAX: Final = 256
RECIPIENTS_MAX: Final = 1000
"""More than any mail server takes at once; the rest is passed over."""

_BOUNDARY: Final = re.compile(r';\s*boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_PIECE: Final = re.compile(rb"(?:[^%]|%[^%]{0,2}+){1,10000}+")  # which cuts no escape in two
_NAME: Final = re.compile(
    rb'^content-disposition:[^\r\n]*?;\s*name=(?:"([^"\r\n]*)"|([^\s;"]+))',
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Posted:
    """A mail as it was posted, and whom its envelope is for, as far as that was told."""

    raw: bytes = field(repr=False)
    recipients: tuple[str, ...] = field(repr=False)


class _Envelope(msgspec.Struct):
    to: list[str] | str = ""


def read(content_type: str, body: bytes) -> Posted:
    """Read a form with its whole Content-Type; refuse one that is broken or has no mail.

    An envelope that cannot be read is passed over: what the mail says does not depend on it.
    """
    form: dict[str, bytes] = {}
    for name, value in _fields(content_type, body):
        form.setdefault(name, value)
    # Mailgun has header fields of the mail among its own, and one of them may be Email.
    raw = form.get("body-mime") or form.get("email")
    if not raw:
        raise InvalidBody(
            "The form has no raw mail: it must be in `email` (SendGrid: set POST the raw, full "
            "MIME message) or `body-mime` (Mailgun: forward to the address that ends in mime)."
        )
    recipient = form.get("recipient", b"").decode(errors="replace")
    told = (*_of_envelope(form), *listed(recipient))
    return Posted(raw, tuple(filter(None, told))[:RECIPIENTS_MAX])


def _fields(content_type: str, body: bytes) -> Iterator[tuple[str, bytes]]:
    if not content_type.lower().startswith(MULTIPART):
        return _urlencoded(body)
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise InvalidBody("The Content-Type names no boundary.")
    return _multipart((boundary[1] or boundary[2]).encode("utf-8", "replace"), body)


def _multipart(boundary: bytes, body: bytes) -> Iterator[tuple[str, bytes]]:
    """Cut a form at its boundary (RFC 2046 §5.1.1); one without an end may be half a mail."""
    delimiter = re.compile(rb"(?:^|\r\n)--" + re.escape(boundary) + rb"(?:(--)|[ \t]*(?=\r\n))")
    started_at: int | None = None
    for count, found in enumerate(delimiter.finditer(body)):
        if started_at is not None:
            yield _part(body[started_at : found.start()])
        if found[1] or count > FIELDS_MAX:
            break
        started_at = found.end()
    else:
        raise InvalidBody("The form breaks off, or its boundary is another one.")
    _refuse_too_many(count)


def _part(part: bytes) -> tuple[str, bytes]:
    head, _, value = part.partition(b"\r\n\r\n")
    named = _NAME.search(head)
    return (named[1] or named[2] or b"").decode(errors="replace") if named else "", value


def _urlencoded(body: bytes) -> Iterator[tuple[str, bytes]]:
    pairs = body.split(b"&", FIELDS_MAX)
    _refuse_too_many(len(pairs))
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        yield _unescaped(name).decode(errors="replace"), _unescaped(value)


def _unescaped(text: bytes) -> bytes:
    # Piece by piece: unquote makes an object of each escape, and a mail may have millions.
    pieces = _PIECE.finditer(text.replace(b"+", b" "))
    return b"".join(unquote_to_bytes(piece[0]) for piece in pieces)


def _refuse_too_many(count: int) -> None:
    if count > FIELDS_MAX:
        raise InvalidBody(f"The form has more than {FIELDS_MAX} fields.")


def _of_envelope(form: dict[str, bytes]) -> list[str]:
    try:
        to = msgspec.json.decode(form.get("envelope", b"{}"), type=_Envelope).to
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return [to] if isinstance(to, str) else to
