"""SparkPost's webhooks: a batch of events, each under `msys` and the name of its class."""

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
    within,
)

_KINDS: Final[dict[str, Kind]] = {
    "list_unsubscribe": "unsubscribe",
    "link_unsubscribe": "unsubscribe",
}
_BOUNCES: Final = frozenset({"bounce", "out_of_band"})
_HARD: Final = frozenset({"10", "30"})  # no such recipient; no such recipient, as far as is told
_OF_CLASSES: Final[dict[str, Kind]] = {
    "60": "other",  # somebody is away
    "80": "resubscribe",
    "90": "unsubscribe",
    "100": "other",  # somebody is asked whether we are a machine
}
_REJECTIONS: Final = frozenset({"generation_rejection", "policy_rejection"})
# SparkPost suppresses the address. It does not say why, so it is what a person would have asked.
_SUPPRESSED: Final = re.compile(r"address (?:was )?suppressed due to", re.IGNORECASE)
_NO_COMPLAINT: Final = frozenset({"not-spam", "auth-failure", "virus"})  # RULES E-42


def read(body: bytes, *, most: int) -> Reading:
    """Read a post, or refuse what is no batch of events."""
    return read_each(decoded(body), _events, most=most)


def _events(fields: Fields) -> Iterator[MailEvent]:
    # Without a class it is a ping.
    for event in within(fields, "msys").values():
        if isinstance(event, dict):
            yield _event(event)


def _event(event: Fields) -> MailEvent:
    name = text(event, "type")
    return MailEvent(
        provider="sparkpost",
        kind=_kind(name, event),
        name=name,
        address=address(event, "raw_rcpt_to", "rcpt_to"),
        event_id=text(event, "event_id")
        or made_id(name, *map(event.get, ("timestamp", "message_id", "transmission_id"))),
        occurred_at=moment(event.get("timestamp")),
        reason=text(event, "raw_reason", "reason", "fbtype"),
    )


def _kind(name: str, event: Fields) -> Kind:
    if name in _BOUNCES:
        return _kind_of_bounce(text(event, "bounce_class"), event)
    if name == "spam_complaint":
        return "other" if text(event, "fbtype").lower() in _NO_COMPLAINT else "complaint"
    if name in _REJECTIONS and _SUPPRESSED.search(text(event, "raw_reason", "reason")):
        return "unsubscribe"
    return _KINDS.get(name, "other")


def _kind_of_bounce(bounce_class: str, event: Fields) -> Kind:
    if bounce_class in _HARD:
        return bounce.of_permanent(text(event, "raw_reason", "reason"))
    return _OF_CLASSES.get(bounce_class, "bounce_soft")
