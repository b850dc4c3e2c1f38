import json
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import get_args

import msgspec
import pytest

from prefsvc.alarm_words import ALARM_TYPES, AlarmStep, detail_of, mail_of
from prefsvc.standing import STEPS

CASE = "0b0f6d62-2c0e-4d46-9a53-3c1cf3a0c2f7"


def data(step, **more):
    """Make an alarm's data as it lies in the queue."""
    at = datetime(2026, 11, 30, 12, tzinfo=UTC)
    told = {
        "alarm_id": CASE, "brand": "acme", "sender": "mailer", "channel": "email", "step": step,
        "detail": detail_of(step), "acknowledged_at": at, "state": "overdue", "passed": ["half"],
        "owed_count": 12, "next_target_at": None, "next_deadline_at": at,
    } | more  # fmt: skip
    return json.loads(msgspec.json.encode(told))


@pytest.mark.parametrize("step", [*STEPS, "violation", "recovery"])
def test_every_step_has_its_type_and_a_mail_of_its_own(step):
    subject, text = mail_of(ALARM_TYPES[step], data(step))
    assert ALARM_TYPES[step] == f"alarm.{step}"
    assert subject.startswith("[prefsvc] acme: mailer ")
    assert text.startswith(detail_of(step))
    assert len({mail_of(kind, data(one))[0] for one, kind in ALARM_TYPES.items()}) == 7


def test_there_is_a_type_for_each_step():
    assert set(ALARM_TYPES) == {*STEPS, "violation", "recovery", "mail_flood"}
    assert get_args(AlarmStep)


def test_the_mail_says_who_how_many_by_when_and_where_to_look():
    _, text = mail_of("alarm.overdue", data("overdue", case_id=CASE))
    for fact in (
        "mailer (email)", "overdue", "12", "2026-11-30 12:00 UTC",
        f"prefsvc cases show acme {CASE}", "prefsvc senders list acme",
        "prefsvc alarms list acme --sender mailer",
        "GET /v1/brands/acme/senders/mailer/clearance",
    ):  # fmt: skip
        assert fact in text
    assert "First target" not in text


def test_a_sender_that_never_acknowledged_is_said_to_have_never():
    _, text = mail_of("alarm.half", data("half", acknowledged_at=None))
    assert "never" in text


def test_a_violation_needs_no_standing():
    told = data("violation", case_id=CASE, violation_count=3)
    for absent in ("state", "passed", "owed_count", "next_target_at", "next_deadline_at"):
        del told[absent]
    _, text = mail_of("alarm.violation", told)
    assert "Violations:" in text
    assert "3" in text
    assert "Opt-outs owed" not in text


def test_a_test_is_said_to_be_one():
    subject, text = mail_of("endpoint.test", {})
    assert "test" in subject
    assert text


def test_a_subject_is_one_line_that_a_header_takes():
    for step, kind in ALARM_TYPES.items():
        message = EmailMessage()
        message["Subject"], _ = mail_of(kind, data(step))
        assert message["Subject"].isascii()


def test_what_is_not_mailed_is_a_fault():
    with pytest.raises(ValueError, match="not mailed"):
        mail_of("suppression.changed", {})


def test_a_flood_is_about_an_origin_and_says_how_to_take_it_back():
    since = "2026-11-30T11:00:00Z"
    told = data(
        "mail_flood", sender=None, acknowledged_at=None, origin="203.0.113.9", mail_count=812,
        since=since, state="", owed_count="", next_deadline_at=None,
    )  # fmt: skip
    subject, text = mail_of("alarm.mail_flood", told)
    assert subject == "[prefsvc] acme: a flood of removals by mail"
    command = f"prefsvc mail forged --brand acme --since {since} --origin 203.0.113.9 --dry-run"
    for fact in (command, "203.0.113.9", "812", "2026-11-30 11:00 UTC", "prefsvc alarms list acme"):
        assert fact in text
    assert "None" not in text
    assert "never" not in text
