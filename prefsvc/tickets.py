"""Signed notes that pages and mails carry: that a page was shown, that an opt-out may be undone.

Pure.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from prefsvc.errors import UndoTooLate

Carrier = Literal["page", "mail"]
"""Where a ticket stands: in the form of the page that opted out, or in a receipt by mail."""

_MAC_BYTES = 16
_UNDO: Final[dict[Carrier, bytes]] = {"page": b"undo", "mail": b"undo by mail"}


def page_nonce(key: bytes, token: str, shown_at: datetime) -> str:
    """Return the nonce of a page shown now for this token (RULES X-01)."""
    seconds = struct.pack(">q", int(shown_at.timestamp()))
    return _text(seconds + _mac(key, b"page", token.encode(), seconds))


def shown_at(key: bytes, token: str, nonce: str) -> datetime | None:
    """Return when the page that has this nonce was shown; None if it is none of ours."""
    raw = _bytes(nonce)
    seconds, mac = raw[:8], raw[8:]
    if len(raw) != 8 + _MAC_BYTES or not hmac.compare_digest(
        mac, _mac(key, b"page", token.encode(), seconds)
    ):
        return None
    return datetime.fromtimestamp(struct.unpack(">q", seconds)[0], UTC)


def undo_ticket(
    key: bytes, token: str, event_id: UUID, expires_at: datetime, *, of: Carrier = "page"
) -> str:
    """Return a ticket that undoes this opt-out, made through this token, until then (X-04)."""
    body = event_id.bytes + struct.pack(">q", int(expires_at.timestamp()))
    return _text(body + _mac(key, _UNDO[of], token.encode(), body))


def opt_out_to_undo(
    key: bytes, token: str, ticket: str, now: datetime, *, of: Carrier = "page"
) -> UUID:
    """Return which opt-out a ticket undoes, or refuse it; what a mail carries is no page's."""
    raw = _bytes(ticket)
    body, mac = raw[:24], raw[24:]
    if len(raw) != 24 + _MAC_BYTES or not hmac.compare_digest(
        mac, _mac(key, _UNDO[of], token.encode(), body)
    ):
        raise UndoTooLate
    expires_at = datetime.fromtimestamp(struct.unpack(">q", body[16:])[0], UTC)
    if now > expires_at + timedelta(seconds=1):
        raise UndoTooLate
    return UUID(bytes=body[:16])


def _mac(key: bytes, purpose: bytes, *parts: bytes) -> bytes:
    digests = b"".join(hashlib.sha256(part).digest() for part in parts)
    return hmac.digest(key, purpose + b"\0" + digests, "sha256")[:_MAC_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError, ValueError):
        return b""
