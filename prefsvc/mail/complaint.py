"""Complaints: that a person pressed *This is spam* (RFC 5965, and what came before it).

A complaint says stop, for everything that the brand mails (E-40). Reports that say something else
(that the message was no spam, or how it was authenticated) look alike and are left alone (E-42).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from prefsvc.mail import addresses, report
from prefsvc.mail.message import Entity

Kind = Literal["complaint", "opt_out", "unknown", "malformed", "none"]

_REPORT_TYPE: Final = "message/feedback-report"
_KINDS: Final[dict[str, Kind]] = {
    "abuse": "complaint",
    "complaint": "complaint",
    "fraud": "complaint",
    "other": "complaint",
    "opt-out": "opt_out",
    "opt-out-list": "opt_out",
    "not-spam": "none",  # RFC 6430: the opposite of a complaint
    "auth-failure": "none",  # RFC 6591
    "dmarc": "none",
    "virus": "none",
    "miscategorized": "none",
}
_XARF_KINDS: Final = frozenset({"abuse", "fraud", "phishing", "spam"})
_XARF_TYPE: Final = re.compile(r"report_?type\W{1,4}(\w{1,40})", re.IGNORECASE)
_FIELDS_CHARS_MAX: Final = 16 * 1024
_REDACTED: Final = frozenset(
    {
        "redacted", "anonymous", "undisclosed", "undisclosed-recipients", "recipient", "unknown",
        "x", "xxx",
    }
)  # fmt: skip
# Whom the message went to. What the report's third part says comes before its second (E-41): it is
# the message itself. Of its fields those come first that name a mailbox and not a list.
_IN_THE_ORIGINAL: Final = (
    "x-hmxmroriginalrecipient", "x-apparently-to", "x-original-to", "delivered-to", "envelope-to",
    "x-rcpt-to", "to",
)  # fmt: skip
_IN_THE_REPORT: Final = ("original-rcpt-to", "removal-recipient", "redacted-address")
_SUBJECTS_OF_JMRP: Final = ("complaint about message from",)


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a report says, of whom, and by which of our tokens; it may name nobody."""

    kind: Kind
    feedback_type: str
    address: str | None = field(default=None, repr=False)
    tokens: tuple[str, ...] = field(default=(), repr=False)


def read(message: Entity) -> Complaint | None:
    """Read a complaint; None if the message is none."""
    if (part := _report_in(message)) is not None:
        fields = report.fields_of(part)
        return _complaint(_kind_of(part, fields), fields, message)
    if (kind := _kind_in_xarf(message)) is not None:
        return _complaint(kind, {}, message)
    if _is_forwarded_by_hotmail(message):
        return _complaint("complaint", {"feedback-type": "abuse"}, message)
    return _of_notification(report.notification(message) or {})


def _report_in(message: Entity) -> str | None:
    for part in message.walk():
        if part.media_type == _REPORT_TYPE:
            return part.text[:_FIELDS_CHARS_MAX].strip("\n")
    is_declared = message.parameters.get("report-type", "").lower() == "feedback-report"
    for part in message.walk():  # some loops give the report as plain text
        if part.media_type == "text/plain" and (is_declared or part is not message):
            text = part.text[:_FIELDS_CHARS_MAX].strip("\n")
            if {"feedback-type", "user-agent", "version"} <= report.fields_of(text).keys():
                return text
    return "" if is_declared else None


def _kind_of(part: str, fields: dict[str, str]) -> Kind:
    """Say what is reported; what breaks the format (RFC 5965 §3.1) may still be a complaint.

    E-41: a type that is not there exactly once, or both dates, make a report malformed. That it
    lacks a User-Agent or a Version, as some do, leaves no doubt of what it says.
    """
    types = [line for line in part.lower().split("\n") if line.startswith("feedback-type:")]
    if len(types) != 1 or {"received-date", "arrival-date"} <= fields.keys():
        return "malformed"
    # §7.3: an unknown type is no reason to reject a report; E-42: people look at it.
    return _KINDS.get(_feedback_type(fields), "unknown")


def _feedback_type(fields: dict[str, str]) -> str:
    return fields.get("feedback-type", "").partition(";")[0].partition("(")[0].strip().lower()


def _complaint(kind: Kind, fields: dict[str, str], message: Entity) -> Complaint:
    original = report.original_of(message)
    tokens = tuple(dict.fromkeys(addresses.tokens_in_original(original))) if original else ()
    written = [*(_written(original) if original else ()), *_values(fields)]
    address = next((one for text in written if (one := _named(text))), None)
    return Complaint(kind, _feedback_type(fields), address, tokens)


def _written(original: Entity) -> Iterator[str]:
    for name in _IN_THE_ORIGINAL:
        found = [text for value in original.all(name) for text in addresses.listed(value)]
        if len(found) == 1:  # of several it is unknown which one complained
            yield found[0]


def _values(fields: dict[str, str]) -> Iterator[str]:
    for name in _IN_THE_REPORT:
        yield from addresses.listed(fields.get(name, "").removeprefix("rfc822;"))


def _named(text: str) -> str | None:
    """Return an address, unless it was obscured on the way (RFC 6590)."""
    found = addresses.canonical(text)
    return None if found is None or found.partition("@")[0] in _REDACTED else found


def _kind_in_xarf(message: Entity) -> Kind | None:
    """Read the other format that RFC 9477 allows; what it does not call spam, people look at."""
    if not message.has("x-xarf") or report.original_of(message) is None:
        return None
    texts = (part.text[:_FIELDS_CHARS_MAX] for part in message.walk() if not part.parts)
    types = {one.lower() for text in texts for one in _XARF_TYPE.findall(text)}
    return "complaint" if types and types <= _XARF_KINDS else "unknown"


def _is_forwarded_by_hotmail(message: Entity) -> bool:
    """Say whether it is a report of Microsoft's JMRP as it was before it sent ARF."""
    original = report.original_of(message)
    if original is None or not message.media_type.startswith("multipart/"):
        return False
    is_named_so = message.words("subject").lower().startswith(_SUBJECTS_OF_JMRP)
    return original.has("x-hmxmroriginalrecipient") and is_named_so


def _of_notification(notice: dict[str, Any]) -> Complaint | None:
    match notice:
        case {"complaint": {"complainedRecipients": list(many), **rest}}:
            feedback_type = str(rest.get("complaintFeedbackType") or "abuse").lower()
            found = report.notified(many)
            kind = _KINDS.get(feedback_type, "unknown")
            return Complaint(kind, feedback_type, found[0] if len(found) == 1 else None)
    return None
