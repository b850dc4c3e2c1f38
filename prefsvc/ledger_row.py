"""The bytes of a ledger row, its seal, and the running digest that checkpoints sign.

Pure, and published in docs/ledger.md, so that somebody else's program can verify an export. A row
is written as one line of JSON with a fixed order of fields; the seal is an HMAC over it, made by
whoever wrote the row; the running digest chains rows of one brand and bucket in order.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

SEAL_BYTES = 16


class LedgerRow(Struct, frozen=True):
    """One row of the ledger, all but its seal."""

    bucket: int
    brand_id: int
    position: int
    event_id: UUID
    address_key: bytes
    channel: str
    act: str
    scope: str
    topic: str
    reason: str
    effect: str
    source: str
    sent_at: datetime | None
    received_at: datetime
    recorded_at: datetime
    deadline_at: datetime | None
    deadline: Any
    evidence_sha256: bytes
    idempotency_key: str | None

    def to_bytes(self) -> bytes:
        """Write the row as it is sealed and digested."""
        return canonical_json(
            [
                self.bucket, self.brand_id, self.position, str(self.event_id),
                self.address_key.hex(), self.channel, self.act, self.scope, self.topic,
                self.reason, self.effect, self.source, _moment(self.sent_at),
                _moment(self.received_at), _moment(self.recorded_at), _moment(self.deadline_at),
                self.deadline, self.evidence_sha256.hex(), self.idempotency_key,
            ]
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class CheckpointClaim:
    """What a checkpoint's signature says: this ledger, up to here, has this running digest."""

    installation_id: UUID
    brand: str
    bucket: int
    position: int
    digest: bytes
    made_at: datetime

    def to_bytes(self) -> bytes:
        """Write the claim as it is signed."""
        return canonical_json(
            [
                "prefsvc checkpoint v1", str(self.installation_id), self.brand, self.bucket,
                self.position, self.digest.hex(), _moment(self.made_at),
            ]
        )  # fmt: skip

    def sign(self, key: Ed25519PrivateKey) -> bytes:
        """Sign it."""
        return key.sign(self.to_bytes())

    def is_signed(self, key: Ed25519PublicKey, signature: bytes) -> bool:
        """Say whether this signature is the key's."""
        try:
            key.verify(signature, self.to_bytes())
        except InvalidSignature:
            return False
        return True


def canonical_json(value: object) -> bytes:
    """Write JSON in the one form that digests are taken of: sorted keys, no spaces, UTF-8."""
    return msgspec.json.encode(value, order="sorted")


def seal(key: bytes, octets: bytes) -> bytes:
    """Return the seal of a row, as `to_bytes` writes it."""
    return hmac.digest(key, octets, "sha256")[:SEAL_BYTES]


def is_sealed(key: bytes, octets: bytes, stored: bytes) -> bool:
    """Say whether a row is as its writer sealed it."""
    return hmac.compare_digest(seal(key, octets), stored)


def first_digest(installation_id: UUID, brand: str, bucket: int) -> bytes:
    """Return the running digest before a brand and bucket's first row."""
    start = canonical_json(["prefsvc ledger v1", str(installation_id), brand, bucket])
    return hashlib.sha256(start).digest()


def next_digest(previous: bytes, octets: bytes, stored_seal: bytes) -> bytes:
    """Return the running digest after one more row, as `to_bytes` writes it."""
    return hashlib.sha256(previous + octets + stored_seal).digest()


@lru_cache(maxsize=1024)
def _moment(at: datetime | None) -> str | None:
    """Write a moment; those that are recorded together have most of theirs in common."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="microseconds")
