"""Whether the provider posted it, for every provider but Amazon SES (`sns_door`)."""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from aiohttp import web

from prefsvc.bodies import only_header
from prefsvc.brand import MailEventSource, MailProvider
from prefsvc.doors import SERVICE, Service
from prefsvc.errors import MailEventSecretMissing, UnsignedMailEvents, WrongMailEventCredentials
from prefsvc.ledger_row import canonical_json
from prefsvc.mail_events import mailgun, tokens
from prefsvc.mail_events.fields import Fields, moment, text
from prefsvc.mail_events.signatures import (
    is_authorised,
    is_password,
    is_signed_by_mailgun,
    is_signed_by_sendgrid,
    sendgrid_key,
)

_AHEAD: Final = timedelta(hours=1)
"""How far a provider's clock, or ours, may be off."""


def usable(provider: MailProvider, secrets: Iterable[str]) -> list[str]:
    """Return the secrets that can prove anything of this provider."""
    match provider:
        case "sendgrid":
            return [one for one in secrets if sendgrid_key(one)]
        case "mailgun" | "ses":
            return [one for one in secrets if one]
        case _:
            return [one for one in secrets if is_password(one) or ":" not in one]


def admit(request: web.Request, source: MailEventSource) -> list[str]:
    """Return the secrets that may prove the post; refuse what its headers alone give away.

    Before the body is read: whoever has no password makes us keep nothing of it. Without a secret
    nothing can be proved, and the door is shut.
    """
    given = request.app[SERVICE].vault.mail_event_secrets_for(source.name)
    secrets = usable(source.provider, given)
    if not secrets:
        raise MailEventSecretMissing
    is_by_header = source.provider not in {"sendgrid", "mailgun"}
    if is_by_header and not is_authorised(secrets, only_header(request, "Authorization")):
        raise WrongMailEventCredentials
    return secrets


async def check(
    request: web.Request, source: MailEventSource, secrets: list[str], body: bytes
) -> None:
    """Refuse a body that the provider did not sign, where it signs at all."""
    match source.provider:
        case "sendgrid":
            _check_sendgrid(request, secrets, body)
        case "mailgun":
            await _check_mailgun(request.app[SERVICE], source, secrets, mailgun.posted(body))
        case _:
            return


def _check_sendgrid(request: web.Request, keys: list[str], body: bytes) -> None:
    timestamp = only_header(request, "X-Twilio-Email-Event-Webhook-Timestamp")
    is_signed = is_signed_by_sendgrid(
        keys,
        timestamp=timestamp,
        signature=only_header(request, "X-Twilio-Email-Event-Webhook-Signature"),
        body=body,
    )
    if not (is_signed and _is_fresh(request.app[SERVICE], moment(timestamp))):
        raise UnsignedMailEvents


async def _check_mailgun(
    service: Service, source: MailEventSource, keys: list[str], post: Fields
) -> None:
    signature = mailgun.signature_of(post)
    timestamp, token = text(signature, "timestamp"), text(signature, "token")
    is_signed = is_signed_by_mailgun(
        keys,
        timestamp=timestamp,
        token=token,
        signatures=[text(signature, "signature"), text(signature, "parent-signature")],
    )
    if not (is_signed and _is_fresh(service, moment(timestamp))):
        raise UnsignedMailEvents
    sha256 = hashlib.sha256(canonical_json(post)).digest()
    async with service.database.transaction() as tx:
        await tokens.claim(tx, source.name, token, sha256)


def _is_fresh(service: Service, signed_at: datetime | None) -> bool:
    if signed_at is None:
        return False
    age = service.now() - signed_at
    return -_AHEAD <= age <= service.settings.mail_event_age
