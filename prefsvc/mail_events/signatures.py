"""Whether a provider sent what came: pure, one function for each way of proving it.

Rule 1: no input raises; what cannot be checked is not proved.
Rule 2: secrets are compared in constant time.
Rule 3: an empty secret proves nothing, for everybody knows it.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509 import Certificate

_SENDGRIDS_CURVE: Final = "secp256r1"
_SNS_HASHES: Final = {
    "1": SHA1(),  # noqa: S303 - SNS signs so unless its topic is told otherwise
    "2": SHA256(),
}


def is_signed_by_sendgrid(
    public_keys: Iterable[str], *, timestamp: str | None, signature: str | None, body: bytes
) -> bool:
    """Say whether one of these verification keys signed the time and the raw body."""
    if not timestamp or not signature:
        return False
    signed, made = timestamp.encode(errors="replace") + body, _from_base64(signature)
    keys = filter(None, map(sendgrid_key, public_keys))
    return any(_is_ecdsa(key, made, signed) for key in keys)


@lru_cache(maxsize=64)
def sendgrid_key(written: str) -> EllipticCurvePublicKey | None:
    """Read a verification key as SendGrid shows it; None where it is none."""
    try:
        key = load_der_public_key(_from_base64(written))
    except Exception:  # noqa: BLE001 - the library has many ways to say that it is none
        return None
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name != _SENDGRIDS_CURVE:
        return None
    return key


def _is_ecdsa(key: EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def is_signed_by_mailgun(
    keys: Iterable[str], *, timestamp: str, token: str, signatures: Iterable[str]
) -> bool:
    """Say whether one of these signing keys made one of the signatures of time and token.

    They do not cover the event: a token is good for one body (`tokens`). An account signs for its
    subaccounts beside them, so that there may be two signatures.
    """
    if not timestamp or not token:
        return False
    signed = (timestamp + token).encode(errors="replace")
    expected = [hmac.new(key.encode(), signed, hashlib.sha256).hexdigest() for key in keys if key]
    made = [one.encode(errors="replace") for one in signatures]
    return any(hmac.compare_digest(one.encode(), other) for one in expected for other in made)


def is_authorised(secrets: Iterable[str], authorization: str | None) -> bool:
    """Say whether the header has one of these secrets: `user:password` or a bearer token."""
    scheme, _, given = (authorization or "").strip().partition(" ")
    match scheme.lower():
        case "basic":
            shown = _from_base64(given.strip())
            expected = [secret for secret in secrets if is_password(secret)]
        case "bearer":
            shown = given.strip().encode(errors="replace")
            expected = [secret for secret in secrets if secret and ":" not in secret]
        case _:
            return False
    return any(_is_same(secret.encode(), shown) for secret in expected)


def is_password(secret: str) -> bool:
    """Say whether the secret is a user name and a password, neither of them empty."""
    user, _, password = secret.partition(":")
    return bool(user and password)


def _is_same(one: bytes, other: bytes) -> bool:
    # Of digests, so that the length is not told either.
    return hmac.compare_digest(hashlib.sha256(one).digest(), hashlib.sha256(other).digest())


def is_signed_by_sns(
    certificate: Certificate, *, version: str, signature: str, signed: bytes
) -> bool:
    """Say whether the certificate's key signed the message, by signature version 1 or 2."""
    algorithm, key = _SNS_HASHES.get(version), certificate.public_key()
    if algorithm is None or not isinstance(key, RSAPublicKey):
        return False
    try:
        key.verify(_from_base64(signature), signed, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        return False
    return True


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
