"""What Telnyx sends, for tests: an event as its documentation shows it, and headers that sign it.

The shapes are those of developers.telnyx.com, Receiving Webhooks for Messaging (SMS, MMS, RCS).
"""

import base64
import hashlib
import json
import time
import uuid

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.sms.twilio_client import NUMBER, PERSON

HOOK = "/hooks/telnyx/events"
PROFILE = "740572b6-0000-4000-8000-6c92163bc68d"
ORGANIZATION = "47a530f8-0000-4000-8000-bcee17fd9f7a"
KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"telnyx of the tests").digest())
ANOTHER_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"another").digest())


def signed(
    body: bytes, *, key: Ed25519PrivateKey = KEY, timestamp: str | None = None
) -> dict[str, str]:
    """Return the headers of a request that Telnyx signed, by default now."""
    timestamp = timestamp or str(int(time.time()))
    signature = key.sign(timestamp.encode() + b"|" + body)
    return {
        "telnyx-timestamp": timestamp,
        "telnyx-signature-ed25519": base64.b64encode(signature).decode(),
        "Content-Type": "application/json",
    }


def public(key: Ed25519PrivateKey) -> str:
    """Return the public half of a key, as Telnyx' portal shows it."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def event(event_type: str, payload: dict[str, object], *, attempt: int = 1) -> bytes:
    """Return the body of a webhook about this payload."""
    data = {
        "event_type": event_type,
        "id": str(uuid.uuid4()),
        "occurred_at": "2026-03-02T09:00:00.588+00:00",
        "payload": payload,
        "record_type": "event",
    }
    meta = {"attempt": attempt, "delivered_to": "https://stop.example.com" + HOOK}
    return json.dumps({"data": data, "meta": meta}).encode()


def number(phone_number: str, **more: object) -> dict[str, object]:
    """Return an end of a message."""
    return {"carrier": "", "line_type": "Wireless", "phone_number": phone_number} | more


def ends(to: str | list[object], status: str) -> list[object]:
    """Return whom a message goes to: one number, or ends as they are."""
    return [number(to, status=status)] if isinstance(to, str) else to


def message(
    text: str | None = "STOP",
    *,
    from_: str = PERSON,
    to: str | list[object] = NUMBER,
    **more: object,
) -> dict[str, object]:
    """Return the payload of a new message from a person; `more` adds or replaces."""
    return {
        "autoresponse_type": None,
        "cc": [],
        "completed_at": None,
        "cost": {"amount": "0.0040", "currency": "USD"},
        "direction": "inbound",
        "encoding": "GSM-7",
        "errors": [],
        "from": number(from_),
        "id": str(uuid.uuid4()),
        "is_spam": False,
        "media": [],
        "messaging_profile_id": PROFILE,
        "organization_id": ORGANIZATION,
        "parts": 1,
        "received_at": "2026-03-02T09:00:00.503+00:00",
        "record_type": "message",
        "sent_at": None,
        "subject": "",
        "tags": [],
        "text": text,
        "to": ends(to, "webhook_delivered"),
        "type": "SMS",
        "valid_until": None,
        "webhook_failover_url": None,
        "webhook_url": "https://stop.example.com" + HOOK,
    } | more


def outcome(
    code: str | None = "40300",
    *,
    from_: str = NUMBER,
    to: str | list[object] = PERSON,
    **more: object,
) -> dict[str, object]:
    """Return the payload of a message to a person that has come to its end."""
    status = "delivery_failed" if code else "delivered"
    errors = [{"code": code, "title": "", "detail": ""}] if code is not None else []
    return {
        "completed_at": "2026-03-02T09:00:01.148+00:00",
        "direction": "outbound",
        "errors": errors,
        "from": number(from_),
        "id": str(uuid.uuid4()),
        "messaging_profile_id": PROFILE,
        "organization_id": ORGANIZATION,
        "record_type": "message",
        "text": "Hello there!",
        "to": ends(to, status),
        "type": "SMS",
    } | more
