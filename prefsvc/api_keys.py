"""API keys: made and shown once, stored as a digest, scoped to a brand and a role."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from prefsvc.address import Channel, parse_channel
from prefsvc.brands import AppliedBrand
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.errors import InvalidApiKey, UnknownApiKey
from prefsvc.sender import Sender

Role = Literal["sender", "operator"]

_KEY = re.compile(r"psk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who presented a key. No brand means every brand; only a sender's key has a sender."""

    api_key_id: str
    role: Role
    brand_id: int | None
    sender_id: UUID | None
    sender_slug: str | None
    channel: Channel | None
    label: str


async def create(tx: Tx, *, label: str, brand: AppliedBrand | None, sender: Sender | None) -> str:
    """Make a key: a sender's if a sender is given, else an operator's; return it, this once."""
    api_key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    await queries.add_api_key(
        tx.conn,
        api_key_id=api_key_id,
        secret_sha256=_digest(secret),
        role="sender" if sender else "operator",
        brand_id=brand.brand_id if brand else None,
        sender_id=sender.sender_id if sender else None,
        label=label,
        created_at=tx.now,
    )
    return f"psk_{api_key_id}_{secret}"


async def identify(tx: Tx, presented: str) -> Caller:
    """Say whose key this is; refuse one that is unknown, revoked or not a key at all, all alike."""
    match = _KEY.fullmatch(presented)
    row = await queries.api_key(tx.conn, api_key_id=match[1]) if match else None
    if (
        match is None
        or row is None
        or not hmac.compare_digest(row.secret_sha256, _digest(match[2]))
    ):
        raise InvalidApiKey
    channel = parse_channel(row.sender_channel) if row.sender_channel else None
    role: Role = "operator" if row.role == "operator" else "sender"
    return Caller(
        row.api_key_id, role, row.brand_id, row.sender_id, row.sender_slug, channel, row.label
    )


async def revoke(tx: Tx, api_key_id: str) -> None:
    """Revoke a key, at once."""
    if not await queries.revoke_api_key(tx.conn, api_key_id=api_key_id, now=tx.now):
        raise UnknownApiKey


def _digest(secret: str) -> bytes:
    # The secret is 256 random bits: a plain digest is enough, a slow one would only slow us.
    return hashlib.sha256(secret.encode()).digest()
