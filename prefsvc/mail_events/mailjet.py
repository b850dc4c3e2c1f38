"""Mailjet's events: one, or a list of them where they are grouped; none of them has an id."""

from collections.abc import Iterator
from typing import Final

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

_KINDS: Final[dict[str, Kind]] = {"unsub": "unsubscribe", "spam": "complaint"}
# What was not even tried, because Mailjet suppresses it.
_BLOCKED: Final[dict[str, Kind]] = {
    "blacklisted": "unsubscribe",
    "preblocked": "bounce_hard",
    "spam reporter": "complaint",
    "typofix": "bounce_hard",
}
# What is about the sender, the message or the hour, though the message did not arrive for good.
_NOT_THE_ADDRESS: Final = frozenset({"content", "mailjet", "policy", "spam", "system"})
_NOT_FOR_GOOD: Final = frozenset({"greylisted", "quota exceeded", "relay/access denied"})


def read(body: bytes, *, most: int) -> Reading:
    """Read a post, or refuse what is neither an event nor a list of them."""
    return read_each(decoded(body), _events, most=most)


def _events(fields: Fields) -> Iterator[MailEvent]:
    name = text(fields, "event")
    lists = texts(fields.get("mj_list_id"))
    yield MailEvent(
        provider="mailjet",
        kind=_kind(name, fields),
        name=name,
        address=address(fields, "email"),
        event_id=made_id(
            name, *map(fields.get, ("time", "MessageID", "Message_GUID", "mj_list_id", "error"))
        ),
        occurred_at=moment(fields.get("time")),
        # 0 is no list: then it is about all mail.
        lists=lists if name == "unsub" and lists != ("0",) else (),
        reason=text(fields, "comment", "error", "source"),
    )


def _kind(name: str, fields: Fields) -> Kind:
    error = text(fields, "error").lower()
    if name == "blocked":
        return _BLOCKED.get(error, "other")
    if name != "bounce":
        return _KINDS.get(name, "other")
    if fields.get("hard_bounce") is not True:
        return "other" if error == "greylisted" else "bounce_soft"
    is_of_others = text(fields, "error_related_to").lower() in _NOT_THE_ADDRESS
    return "bounce_soft" if is_of_others or error in _NOT_FOR_GOOD else "bounce_hard"
