"""Mailgun's webhooks: one event as JSON under `event-data`; or, as before 2018, a form."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qsl

from prefsvc import bounce
from prefsvc.errors import InvalidBody
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
    within,
)

_FORM_FIELDS_MAX: Final = 256
# Which of a form's values is the event's, where a variable of the sender has the same name.
_LAST_COUNTS: Final = frozenset({"signature", "timestamp", "token"})
_KINDS: Final[dict[str, Kind]] = {"unsubscribed": "unsubscribe", "complained": "complaint"}
_SUPPRESSED: Final[dict[str, Kind]] = {
    "suppress-unsubscribe": "unsubscribe",
    "suppress-complaint": "complaint",
    "suppress-bounce": "bounce_hard",
    # Before 2018, by the code of what was dropped.
    "605": "bounce_hard",
    "606": "unsubscribe",
    "607": "complaint",
}
_BOUNCED: Final = frozenset({"bounce", "delayed-bounce"})


def posted(body: bytes) -> Fields:
    """Read a post as one object, or refuse what is neither JSON nor a form."""
    document = decoded(body) if body.lstrip()[:1] in {b"{", b"["} else _form(body)
    if isinstance(document, dict):
        return document
    raise InvalidBody("The body is not one event.")


def _form(body: bytes) -> dict[str, str]:
    written = body.decode(errors="replace")
    if written.count("&") >= _FORM_FIELDS_MAX or "=" not in written:
        raise InvalidBody("The body is neither JSON nor a form.")
    form: dict[str, str] = {}
    for name, value in parse_qsl(written, keep_blank_values=True):
        if name in _LAST_COUNTS or name not in form:
            form[name] = value
    return form


def read(body: bytes, *, most: int) -> Reading:
    """Read a post, or refuse what is no event."""
    return read_each(posted(body), _events, most=most)


def signature_of(fields: Fields) -> Fields:
    """Return what signs the post: beside the event, or, in a form, among its fields."""
    return within(fields, "signature") or fields


def _events(fields: Fields) -> Iterator[MailEvent]:
    if isinstance(fields.get("event-data"), dict):
        yield _event(fields["event-data"], fields)
    else:
        yield _event_of_a_form(fields)


def _event(data: Fields, fields: Fields) -> MailEvent:
    name, told_at = text(data, "event"), moment(data.get("timestamp"))
    return MailEvent(
        provider="mailgun",
        kind=_kind(name, data),
        name=name,
        address=address(data, "recipient") or address(within(data, "message", "headers"), "to"),
        # An id is unique within a day; a signature's token is made anew for every webhook.
        event_id=made_id(data["id"], str(told_at and told_at.date()))
        if text(data, "id")
        else _id_of_post(name, fields),
        occurred_at=told_at,
        lists=texts(within(data, "mailing-list").get("address")),
        reason=text(data, "reason") or text(within(data, "reject"), "reason"),
    )


def _kind(name: str, data: Fields) -> Kind:
    if name != "failed":
        return _KINDS.get(name, "other")
    if text(data, "severity") != "permanent":
        return "other"  # it is still being tried
    status = within(data, "delivery-status")
    told = tuple(text(status, key) for key in ("enhanced-code", "message", "description"))
    reason = text(data, "reason")
    if reason in _SUPPRESSED:
        return _SUPPRESSED[reason]
    if reason in _BOUNCED or bounce.is_about_the_address(*told):
        return bounce.of_permanent(*told)
    return "bounce_soft"


def _event_of_a_form(fields: Fields) -> MailEvent:
    name = text(fields, "event")
    return MailEvent(
        provider="mailgun",
        kind=_kind_of_a_form(name, fields),
        name=name,
        address=address(fields, "recipient"),
        event_id=_id_of_post(name, fields),
        occurred_at=moment(fields.get("timestamp")),
        lists=texts(fields.get("mailing-list")),
        reason=text(fields, "reason", "error", "description"),
    )


def _kind_of_a_form(name: str, fields: Fields) -> Kind:
    if name == "dropped":
        return _SUPPRESSED.get(text(fields, "code"), "other")
    if name == "bounced":
        return bounce.of_permanent(text(fields, "code"), text(fields, "error"))
    return _KINDS.get(name, "other")


def _id_of_post(name: str, fields: Fields) -> str:
    token = text(signature_of(fields), "token")
    return token or made_id(name, *map(fields.get, ("timestamp", "Message-Id", "message-id")))
