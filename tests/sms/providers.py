"""The set of fixtures that each provider of text messages shows itself by (S-40).

A provider's cast makes what that provider posts: the same things said, in its own form and signed
with its own key. `test_providers.py` makes the same claims of each.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from multidict import MultiDict

from prefsvc.sms.message import InboundMessage, Provider
from prefsvc.sms.telnyx.event import parse_event
from prefsvc.sms.telnyx.reading import read_messages
from prefsvc.sms.twilio.form import parse_form
from prefsvc.sms.twilio.reading import read_message
from tests.sms import telnyx_client, twilio_client
from tests.support.cast import ACMES_NUMBER, ANNS_PHONE, ORIGIN, TWILIO_TOKEN


@dataclass(frozen=True)
class Said:
    """What a person wrote and how the provider took it, in words that every provider shares."""

    text: str
    message_id: str = "one-1"
    from_: str = ANNS_PHONE
    to: str = ACMES_NUMBER
    opt_out_type: str | None = None


@dataclass(frozen=True)
class Failed:
    """A message to a person that the provider could not deliver, and its code for why."""

    code: str
    message_id: str = "one-1"
    from_: str = ACMES_NUMBER
    to: str = ANNS_PHONE


@dataclass(frozen=True)
class Posted:
    """A webhook as it goes out."""

    path: str
    body: bytes
    headers: MultiDict[str] = field(default_factory=MultiDict)

    def with_body(self, body: bytes) -> "Posted":
        """Return it with another body under the same signature."""
        return replace(self, body=body)

    def with_headers(self, headers: MultiDict[str]) -> "Posted":
        """Return it with other headers."""
        return replace(self, headers=headers)


@dataclass(frozen=True)
class Cast:
    """All that a provider must be able to show."""

    name: Provider
    message: Callable[[Said], Posted]
    failure: Callable[[Failed], Posted]
    by_another: Callable[[Said], Posted]
    """A message, signed by somebody who has another key."""
    signing: tuple[str, ...]
    """The headers without which nothing is signed."""
    read: Callable[[bytes], InboundMessage]
    missed: str
    """A code that says: this person stopped, and only the provider heard it."""
    undeliverable: str
    """A code that says: this number takes no texts."""
    passing: str
    """A code that says nothing of the person."""


def _of_twilio(path: str, form: dict[str, str], token: str = TWILIO_TOKEN) -> Posted:
    headers = MultiDict(twilio_client.signed(ORIGIN + path, form, token))
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    return Posted(path, urlencode(form).encode(), headers)


def _twilio_form(said: Said) -> dict[str, str]:
    return twilio_client.sms(
        said.text,
        from_=said.from_,
        to=said.to,
        MessageSid=said.message_id,
        OptOutType=said.opt_out_type,
    )


def _twilio_failure(failed: Failed) -> Posted:
    numbers = {"from_": failed.from_, "to": failed.to}
    form = twilio_client.status(failed.code, **numbers, MessageSid=failed.message_id)
    return _of_twilio("/hooks/twilio/statuses", form)


TWILIO = Cast(
    name="twilio",
    message=lambda said: _of_twilio("/hooks/twilio/messages", _twilio_form(said)),
    failure=_twilio_failure,
    by_another=lambda said: _of_twilio("/hooks/twilio/messages", _twilio_form(said), "f" * 32),
    signing=("X-Twilio-Signature",),
    read=lambda body: read_message(parse_form(body)),
    missed="21610",
    undeliverable="30006",
    passing="30003",
)


_seconds = itertools.count()


def _telnyx_message(said: Said) -> bytes:
    # Telnyx says when a message came in; of what is made here, each came a second later.
    received_at = datetime(2026, 3, 2, 9, tzinfo=UTC) + timedelta(seconds=next(_seconds))
    payload = telnyx_client.message(
        said.text,
        from_=said.from_,
        to=said.to,
        id=said.message_id,
        autoresponse_type=said.opt_out_type,
        received_at=received_at.isoformat(),
    )
    return telnyx_client.event("message.received", payload)


def _of_telnyx(body: bytes, key=telnyx_client.KEY) -> Posted:
    return Posted(telnyx_client.HOOK, body, MultiDict(telnyx_client.signed(body, key=key)))


def _telnyx_failure(failed: Failed) -> Posted:
    numbers = {"from_": failed.from_, "to": failed.to}
    payload = telnyx_client.outcome(failed.code, **numbers, id=failed.message_id)
    return _of_telnyx(telnyx_client.event("message.finalized", payload))


TELNYX = Cast(
    name="telnyx",
    message=lambda said: _of_telnyx(_telnyx_message(said)),
    failure=_telnyx_failure,
    by_another=lambda said: _of_telnyx(_telnyx_message(said), telnyx_client.ANOTHER_KEY),
    signing=("telnyx-signature-ed25519", "telnyx-timestamp"),
    read=lambda body: read_messages(parse_event(body))[0],
    missed="40300",
    undeliverable="40001",
    passing="40012",
)

CASTS = (TELNYX, TWILIO)
