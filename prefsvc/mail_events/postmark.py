"""Postmark's webhooks: one event; bounces have an `ID`, changes of a subscription have none."""

from collections.abc import Iterator
from typing import Final

from prefsvc import bounce
from prefsvc.mail_events.event import Kind, MailEvent, Reading
from prefsvc.mail_events.fields import (
    Fields,
    address,
    decoded,
    made_id,
    moment,
    read_each,
    text,
    texts,
)

_OF_BOUNCES: Final[dict[str, Kind]] = {
    "BadEmailAddress": "bounce_hard",
    "SoftBounce": "bounce_soft",
    "VirusNotification": "bounce_soft",
    "SpamComplaint": "complaint",
    "SpamNotification": "complaint",
    # Somebody answered the mail so, or asked for it by mail.
    "Subscribe": "resubscribe",
    "Unsubscribe": "unsubscribe",
}
_OF_REASONS: Final[dict[str, Kind]] = {"HardBounce": "bounce_hard", "SpamComplaint": "complaint"}
_MOMENTS: Final = ("ChangedAt", "BouncedAt", "DeliveredAt", "ReceivedAt")


def read(body: bytes, *, most: int) -> Reading:
    """Read a post, or refuse what is no event."""
    return read_each(decoded(body), _events, most=most)


def _events(fields: Fields) -> Iterator[MailEvent]:
    name, kind = text(fields, "RecordType"), _kind(fields)
    is_of_a_stream = name == "SubscriptionChange" and kind in {"unsubscribe", "resubscribe"}
    yield MailEvent(
        provider="postmark",
        kind=kind,
        name=f"{name}/{text(fields, 'Type', 'SuppressionReason')}".rstrip("/"),
        address=address(fields, "Email", "Recipient"),
        event_id=text(fields, "ID") or _made_id(fields),
        occurred_at=moment(text(fields, *_MOMENTS)),
        lists=texts(fields.get("MessageStream")) if is_of_a_stream else (),
        reason=text(fields, "Details", "Description", "SuppressionReason"),
    )


def _kind(fields: Fields) -> Kind:
    match text(fields, "RecordType"):
        case "SubscriptionChange":
            return _kind_of_change(fields)
        case "SpamComplaint":
            return "complaint"
        case "Bounce" if text(fields, "Type") == "HardBounce":
            return bounce.of_permanent(text(fields, "Details"))
        case "Bounce":
            return _OF_BOUNCES.get(text(fields, "Type"), "other")
        case _:
            return "other"


def _kind_of_change(fields: Fields) -> Kind:
    if fields.get("SuppressSending") is False:
        return "resubscribe"
    # A reason that is new to us still means that Postmark sends nothing more.
    return _OF_REASONS.get(text(fields, "SuppressionReason"), "unsubscribe")


def _made_id(fields: Fields) -> str:
    names = ("RecordType", "MessageID", "ChangedAt", "SuppressionReason", "MessageStream")
    is_lifted = fields.get("SuppressSending") is False
    return made_id(*map(fields.get, names), "lifted" if is_lifted else "")
