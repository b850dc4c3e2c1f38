"""Brevo's webhooks, marketing and transactional: one event, or a batch; none of them has an id."""

import re
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

# By the letters of the name: webhooks write hard_bounce, and their settings hardBounce.
_KINDS: Final[dict[str, Kind]] = {
    "complaint": "complaint",
    "invalid": "bounce_hard",
    "invalidemail": "bounce_hard",
    "softbounce": "bounce_soft",
    "spam": "complaint",
    "unsubscribe": "unsubscribe",
    "unsubscribed": "unsubscribe",
}
# `id` is the webhook's, the same in every event of it.
_TOLD_APART_BY: Final = ("ts_epoch", "ts_event", "ts", "message-id", "camp_id")


def read(body: bytes, *, most: int) -> Reading:
    """Read a post, or refuse what is neither an event nor a batch of them."""
    return read_each(decoded(body), _events, most=most)


def _events(fields: Fields) -> Iterator[MailEvent]:
    name = text(fields, "event")
    kind = _kind(re.sub("[^a-z]", "", name.lower()), fields)
    lists = texts(fields.get("list_id"))
    yield MailEvent(
        provider="brevo",
        kind=kind,
        name=name,
        address=address(fields, "email"),
        event_id=made_id(name, *map(fields.get, _TOLD_APART_BY), *lists),
        # Only these are in UTC; the dates are in the account's time zone.
        occurred_at=moment(fields.get("ts_epoch")) or moment(fields.get("ts_event")),
        lists=lists if kind == "unsubscribe" else (),
        reason=text(fields, "reason"),
    )


def _kind(name: str, fields: Fields) -> Kind:
    reason = text(fields, "reason")
    if name == "hardbounce":
        return bounce.of_permanent(reason)
    if name == "blocked":
        # Brevo's blocklist holds whom it sends no marketing: mostly those who unsubscribed.
        return "unsubscribe" if re.search("black ?list|block ?list", reason.lower()) else "other"
    # Being added to a list is nobody's word: an import does it, too (RULES P-08).
    return _KINDS.get(name, "other")
