"""SendGrid's Event Webhook: a list of events, each with `sg_event_id`."""

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

_KINDS: Final[dict[str, Kind]] = {
    "unsubscribe": "unsubscribe",
    "group_unsubscribe": "unsubscribe",
    "group_resubscribe": "resubscribe",
    "spamreport": "complaint",
}
# What was not even tried, because SendGrid suppresses it. Whether of one group or of everything,
# the words do not say: so it is everything.
_DROPPED: Final[dict[str, Kind]] = {
    "unsubscribed address": "unsubscribe",
    "spam reporting address": "complaint",
    "bounced address": "bounce_hard",
    "invalid": "bounce_hard",
}
# What SendGrid makes of a refusal; any other class is not about whether somebody is there.
_OF_THE_ADDRESS: Final = frozenset({"", "invalid address", "unclassified"})
_OF_A_GROUP: Final = frozenset({"group_unsubscribe", "group_resubscribe"})


def read(body: bytes, *, most: int) -> Reading:
    """Read a post, or refuse what is no list of events."""
    return read_each(decoded(body), _events, most=most)


def _events(fields: Fields) -> Iterator[MailEvent]:
    name = text(fields, "event")
    yield MailEvent(
        provider="sendgrid",
        kind=_kind(name, fields),
        name=name,
        address=address(fields, "email"),
        event_id=text(fields, "sg_event_id")
        or made_id(name, *map(fields.get, ("timestamp", "sg_message_id", "asm_group_id"))),
        occurred_at=moment(fields.get("timestamp")),
        lists=texts(fields.get("asm_group_id")) if name in _OF_A_GROUP else (),
        reason=text(fields, "reason", "response", "type"),
    )


def _kind(name: str, fields: Fields) -> Kind:
    if name == "dropped":
        causes = (text(fields, key).lower() for key in ("reason", "type"))
        return next((_DROPPED[cause] for cause in causes if cause in _DROPPED), "other")
    if name == "bounce":
        # "blocked" and "expired" are about this message or hour, not about the address.
        is_permanent = text(fields, "type") in {"", "bounce"}
        if text(fields, "bounce_classification").lower() not in _OF_THE_ADDRESS:
            return "bounce_soft"
        told = text(fields, "status"), text(fields, "reason")
        return bounce.of_permanent(*told) if is_permanent else "bounce_soft"
    return _KINDS.get(name, "other")
