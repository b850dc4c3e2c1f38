"""What alarms say to people: the sentence in every notice, and the mail around it.

Pure. No alarm names an address: it is about a program that sends, or about a host or domain that
mail comes from, and not about a person.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from shlex import quote
from typing import Any, Final, Literal

from prefsvc.standing import Step

AlarmStep = Step | Literal["violation", "recovery", "mail_flood"]
"""What an alarm is raised at."""

ALARM_TYPES: Final[Mapping[AlarmStep, str]] = {
    "half": "alarm.half",
    "four_fifths": "alarm.four_fifths",
    "target": "alarm.target",
    "overdue": "alarm.overdue",
    "violation": "alarm.violation",
    "recovery": "alarm.recovery",
    "mail_flood": "alarm.mail_flood",
}
"""The type that the notice of each step carries."""

_CATCH_UP = "Have it read the feed, apply it and acknowledge."

_DETAILS: Final[Mapping[AlarmStep, str]] = {
    "half": "Half of the honour window of an opt-out that this sender has not acknowledged is "
    f"over. {_CATCH_UP}",
    "four_fifths": "Four fifths of the honour window of an opt-out that this sender has not "
    f"acknowledged are over. {_CATCH_UP}",
    "target": "An opt-out that this sender has not acknowledged is past the brand's target. "
    f"{_CATCH_UP}",
    "overdue": "An opt-out that this sender has not acknowledged is past its deadline, so it has "
    f"no clearance: stop its mailings. {_CATCH_UP} Then resolve the case.",
    "violation": "This sender reported messages that were sent after the deadline of an opt-out "
    "that covers them: stop its mailings, find the cause, and resolve the case.",
    "recovery": "This sender has acknowledged what was late, and nothing that it owes is past its "
    "deadline. Nothing needs doing, except to resolve its case where one is open.",
    "mail_flood": "Many removals by mail came from one origin, and nobody vouches for who wrote "
    "them. All of them count. If they are forged, one command takes them back, and nothing else.",
}

_SUBJECTS: Final[Mapping[AlarmStep, str]] = {
    "half": "half of its window is over",
    "four_fifths": "four fifths of its window are over",
    "target": "past target",
    "overdue": "overdue",
    "violation": "sent after a deadline",
    "recovery": "has caught up",
    "mail_flood": "a flood of removals by mail",
}


def detail_of(step: AlarmStep) -> str:
    """Return the sentence that says what happened and what to do."""
    return _DETAILS[step]


def mail_of(notice_type: str, data: Mapping[str, Any]) -> tuple[str, str]:
    """Return the subject and the text of the mail for a notice, by its type and data."""
    for step, of_step in ALARM_TYPES.items():
        if notice_type == of_step:
            return _alarm_mail(step, data)
    if notice_type == "endpoint.test":
        return _TEST_MAIL
    raise ValueError("notices of this type are not mailed")


_TEST_MAIL: Final = (
    "[prefsvc] This is a test",
    "Somebody asked prefsvc to try whether its alarms reach this mailbox. They do.\n",
)


def _alarm_mail(step: AlarmStep, data: Mapping[str, Any]) -> tuple[str, str]:
    about = " ".join(filter(None, [data["sender"], _SUBJECTS[step]]))
    subject = f"[prefsvc] {data['brand']}: {about}"
    facts = "\n".join(f"  {name + ':':<20} {value}" for name, value in _facts(data) if value)
    looks = "\n".join(f"  {look}" for look in _looks(data))
    return subject, f"{data['detail']}\n\n{facts}\n\nTo look closer:\n{looks}\n"


def _facts(data: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    return (
        ("Brand", data["brand"]),
        ("Sender", data["sender"] and f"{data['sender']} ({data['channel']})"),
        ("Origin", data.get("origin", "")),
        ("Removals", str(data.get("mail_count", ""))),
        ("Since", _moment(data.get("since"))),
        ("State", data.get("state", "").replace("_", " ")),
        ("Opt-outs owed", str(data.get("owed_count", ""))),
        ("First target", _moment(data.get("next_target_at"))),
        ("First deadline", _moment(data.get("next_deadline_at"))),
        ("Acknowledged", data["sender"] and (_moment(data["acknowledged_at"]) or "never")),
        ("Violations", str(data.get("violation_count", ""))),
        ("Case", data.get("case_id", "")),
    )


def _looks(data: Mapping[str, Any]) -> Sequence[str]:
    if data["sender"] is None:
        origin = quote(data["origin"])  # somebody else has chosen it
        selected = f"--brand {data['brand']} --since {data['since']} --origin {origin}"
        return [f"prefsvc mail forged {selected} --dry-run", f"prefsvc alarms list {data['brand']}"]
    looks = [
        f"prefsvc senders list {data['brand']}",
        f"prefsvc alarms list {data['brand']} --sender {data['sender']}",
        f"GET /v1/brands/{data['brand']}/senders/{data['sender']}/clearance",
    ]
    if data.get("case_id"):
        looks.append(f"prefsvc cases show {data['brand']} {data['case_id']}")
    return looks


def _moment(text: str | None) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC" if text else ""
