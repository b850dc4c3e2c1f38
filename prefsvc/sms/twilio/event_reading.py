"""What Twilio's Event Streams say of a person, read from the events of one request (RULES S-33).

Only one type of event is about a person's number here; all others are passed over, whatever they
look like. The person's address never shows in a repr, and so in no log line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from prefsvc.address import Address
from prefsvc.errors import InvalidAddress, InvalidBody
from prefsvc.sms.message import FIELD_CHARS_MAX, storable
from prefsvc.sms.network import NUMBERED
from prefsvc.sms.twilio.form import parted

REASSIGNED: Final = "com.twilio.messaging.reassigned-number.detected"

_TOLD: Final = ("event_id", "timestamp", "last_verified_date", "consent_operation",
                "consent_updated_at")  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReassignedNumber:
    """A number that Twilio found to have another owner since the brand had its consent.

    `detected_at` is when it found that; `told` what else it says of it.
    """

    event_id: str
    account: str
    brands_number: str
    network: str
    number: str = field(repr=False)
    detected_at: datetime | None
    told: Mapping[str, str]

    def address(self) -> Address:
        """Return the number on its channel, or refuse what is nobody's."""
        if channel := NUMBERED.get(self.network):
            return Address.for_opt_out(channel, self.number)
        raise InvalidAddress(pointer="to_number")

    def evidence(self) -> dict[str, Any]:
        """Return what proves it; the person's number is not in it (InboundMessage.evidence)."""
        return {
            "provider": "twilio",
            "event": self.event_id,
            "type": REASSIGNED,
            "account": self.account,
            "network": self.network,
            "from": self.brands_number,
            "told": dict(self.told),
        }


def read_events(body: bytes, *, events_max: int) -> list[dict[str, Any]]:
    """Read the events of one request, or refuse what is no list of them, or too long a one."""
    try:
        events = msgspec.json.decode(body, type=list[dict[str, Any]])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidBody("The body is not a list of CloudEvents in JSON.") from None
    if len(events) > events_max:
        raise InvalidBody(f"These are more than {events_max} events; send less at once.")
    return events


def read_reassigned(event: Mapping[str, Any]) -> ReassignedNumber | None:
    """Read the number that an event says is another's; None if it says nothing of the kind.

    Refused where it does not say which number, whose message or which event.
    """
    if event.get("type") != REASSIGNED:
        return None
    data = event.get("data")
    told = data if isinstance(data, dict) else {}
    if told.get("is_reassigned") is False:
        return None
    network, number = parted(_required(told, "to_number"))
    return ReassignedNumber(
        event_id=_required(event, "id"),
        account=_text(told, "account_sid"),
        brands_number=parted(_required(told, "from_number"))[1],
        network=network,
        number=number,
        detected_at=_moment(_text(told, "timestamp") or _text(event, "time")),
        told={name: _text(told, name) for name in _TOLD},
    )


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return storable(value.strip(), FIELD_CHARS_MAX) if isinstance(value, str) else ""


def _required(fields: Mapping[str, Any], name: str) -> str:
    if value := _text(fields, name):
        return value
    raise InvalidBody("An event lacks what it is about.", pointer=name)


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None  # It counts as said now.
    return at if at.tzinfo else at.replace(tzinfo=UTC)
