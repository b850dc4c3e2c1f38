"""Amazon SES: what it publishes to an SNS topic, as events or as feedback notifications."""

from collections.abc import Iterable, Iterator
from typing import Final

from prefsvc import bounce
from prefsvc.errors import InvalidBody
from prefsvc.mail_events.event import Kind, MailEvent, Reading
from prefsvc.mail_events.fields import (
    Fields,
    address,
    decoded,
    moment,
    objects,
    read_each,
    text,
    texts,
    within,
)

# RFC 5965 and its kin: what is no complaint (RULES E-42). Any other type is one.
_NO_COMPLAINT: Final = frozenset({"not-spam", "auth-failure", "virus"})


def read_notification(message: str, *, message_id: str, sent_at: str, most: int) -> Reading:
    """Read what SNS notified of under this id; a text that is no event tells nothing."""
    try:
        document = decoded(message)
    except InvalidBody:
        return Reading(())  # SES says in plain words that it has tried the topic
    if not isinstance(document, dict):
        return Reading((), unreadable=1)

    def events(fields: Fields) -> Iterable[MailEvent]:
        return _events(fields, message_id, sent_at)

    return read_each(document, events, most=most)


def _events(fields: Fields, message_id: str, sent_at: str) -> Iterator[MailEvent]:
    name = text(fields, "eventType", "notificationType")
    about = within(fields, _KEYS.get(name, ""))
    for kind, to, lists, reason in _TELLERS.get(name, _told_of_others)(fields, about):
        yield MailEvent(
            provider="ses",
            kind=kind,
            name="/".join(filter(None, (name, text(about, "bounceType"), _subtype(about)))),
            address=to,
            event_id=message_id,
            occurred_at=moment(text(about, "timestamp")) or moment(sent_at),
            lists=lists,
            reason=reason,
        )


Told = tuple[Kind, str, tuple[str, ...], str]
"""What is told of one address: the kind, the address, its lists and the cause."""


def _subtype(about: Fields) -> str:
    return text(about, "bounceSubType", "complaintSubType", "complaintFeedbackType")


def _told_of_bounces(_: Fields, about: Fields) -> Iterator[Told]:
    for one in objects(about.get("bouncedRecipients")):
        told = text(one, "status"), text(one, "diagnosticCode")
        is_permanent = text(about, "bounceType") == "Permanent"
        kind = bounce.of_permanent(*told) if is_permanent else "bounce_soft"
        yield kind, address(one, "emailAddress"), (), text(one, "diagnosticCode", "status")


def _told_of_complaints(_: Fields, about: Fields) -> Iterator[Told]:
    feedback = text(about, "complaintFeedbackType").lower()
    kind: Kind = "other" if feedback in _NO_COMPLAINT else "complaint"
    # Where the mailbox provider hides who complained, SES names everybody it may have been.
    for one in objects(about.get("complainedRecipients")):
        yield kind, address(one, "emailAddress"), (), feedback


def _told_of_subscriptions(fields: Fields, about: Fields) -> Iterator[Told]:
    """Tell what somebody prefers now: all that is said, for an earlier event may be lost."""
    preferences = within(about, "newTopicPreferences")
    for to in _destinations(fields):
        if preferences.get("unsubscribeAll") is True:
            yield "unsubscribe", to, (), text(about, "source")
            continue
        for one in objects(preferences.get("topicSubscriptionStatus")):
            is_out = text(one, "subscriptionStatus").lower() != "optin"
            kind: Kind = "unsubscribe" if is_out else "resubscribe"
            yield kind, to, texts(one.get("topicName")), text(about, "source")


def _told_of_others(fields: Fields, _: Fields) -> Iterator[Told]:
    for to in _destinations(fields):
        yield "other", to, (), ""


def _destinations(fields: Fields) -> tuple[str, ...]:
    several = within(fields, "mail").get("destination")
    found = several if isinstance(several, list) else []
    return tuple(filter(None, (address({"to": one}, "to") for one in found)))


_KEYS: Final = {"Bounce": "bounce", "Complaint": "complaint", "Subscription": "subscription"}
_TELLERS: Final = {
    "Bounce": _told_of_bounces,
    "Complaint": _told_of_complaints,
    "Subscription": _told_of_subscriptions,
}
