"""Whether Telnyx signed a request, and when.

Telnyx signs `timestamp|body` with Ed25519: every byte of the body, but not the URL.
Rule 1: no input raises; what cannot be checked is not signed, which the caller answers with 403.
Rule 2: age is no forgery. `is_fresh` is asked apart, because a STOP is a STOP however late it
comes; only what would lift one has to be fresh (`events`).
"""

import base64
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TOLERANCE: Final = timedelta(minutes=5)  # what Telnyx advises, either way

_TIMESTAMP_CHARS_MAX: Final = 64
_SIGNATURE_CHARS_MAX: Final = 128


def is_signed_by(
    keys: Iterable[Ed25519PublicKey], *, body: bytes, timestamp: str | None, signature: str | None
) -> bool:
    """Say whether the holder of one of these keys signed the body together with the timestamp."""
    said = _said(timestamp, body)
    made = _decoded(signature)
    if said is None or made is None:
        return False
    return any(_is_by(key, made, said) for key in keys)


def is_fresh(timestamp: str, now: datetime) -> bool:
    """Say whether it was signed within five minutes of now; what is no moment is not fresh."""
    age = age_of(timestamp, now)
    return age is not None and abs(age) <= TOLERANCE


def age_of(timestamp: str, now: datetime) -> timedelta | None:
    """Return how long ago it was signed, negative where it lies ahead; None if it is no moment."""
    try:
        return now - datetime.fromtimestamp(int(timestamp), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _said(timestamp: str | None, body: bytes) -> bytes | None:
    """Return what is signed; None where the timestamp could have taken the body's beginning in."""
    if not timestamp or not timestamp.isascii() or len(timestamp) > _TIMESTAMP_CHARS_MAX:
        return None
    return None if "|" in timestamp else timestamp.encode() + b"|" + body


def _decoded(signature: str | None) -> bytes | None:
    if not signature or len(signature) > _SIGNATURE_CHARS_MAX:
        return None
    try:
        return base64.b64decode(signature, validate=True)
    except ValueError:
        return None


def _is_by(key: Ed25519PublicKey, signature: bytes, said: bytes) -> bool:
    try:
        key.verify(signature, said)
    except InvalidSignature:
        return False
    return True
