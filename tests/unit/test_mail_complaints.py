import json

import pytest

from prefsvc.links import Link, seal
from prefsvc.mail import read
from prefsvc.token import Keyring
from tests.unit.mail.letters import ANN, BOB, letter, multipart, report

RING = Keyring.for_brands([bytes(range(32))], ["acme"])
SHORT = RING.short_token("acme", 7)
SEALED = seal(RING.key("acme"), Link("email", ANN, topic="news"))
STATUS = "Feedback-Type: {}\nUser-Agent: Loop/1.0\nVersion: 1\n"
ORIGINAL = f"From: news@acme.example.com\nTo: {ANN}\nSubject: Sale\n\nunsubscribe"


def complaint(kind="abuse", *, extra="", original=ORIGINAL):
    return report(STATUS.format(kind) + extra, original=original, kind="feedback-report")


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("abuse", "complaint"),
        ("Abuse", "complaint"),
        ("fraud", "complaint"),
        ("other", "complaint"),
        ("opt-out", "opt_out"),
        ("not-spam", "ignored"),
        ("auth-failure", "ignored"),
        ("virus", "ignored"),
        ("x-grumble", "ask"),
    ],
)
def test_the_feedback_type_decides(kind, outcome):
    found = read(complaint(kind))
    assert found.outcome == outcome
    assert (found.address, found.scope) == (
        (ANN, "channel") if outcome != "ignored" else (None, None)
    )


@pytest.mark.parametrize("extra", ["Feedback-Type: abuse\n", "Arrival-Date: x\nReceived-Date: x\n"])
def test_a_malformed_report_is_asked_about(extra):
    assert read(complaint(extra=extra)).why == "feedback_malformed"
    assert read(complaint(extra="Received-Date: x\n")).outcome == "complaint"


def test_a_declared_report_without_its_part_is_asked_about():
    assert read(report("", original=ORIGINAL, kind="feedback-report")).outcome == "ask"


def test_a_report_without_the_message_is_read_from_its_fields():
    found = read(complaint(extra=f"Original-Rcpt-To: <{BOB}>\n", original=""))
    assert (found.outcome, found.address) == ("complaint", BOB)


def test_no_address_is_taken_from_a_reports_prose():
    raw = complaint(original="From: news@acme.example.com\n\nHello")
    assert read(raw.replace(b"--b\n", b"--b\n\nbob@example.org complained\n", 1)).address is None


def test_the_enclosed_message_comes_before_the_reports_fields():
    extra = f"Original-Rcpt-To: <{BOB}>\n"
    assert read(complaint(extra=extra)).address == ANN
    several = ORIGINAL.replace(ANN, f"{ANN}, x@example.net")
    assert read(complaint(extra=extra, original=several)).address == BOB


@pytest.mark.parametrize("name", ["X-HmXmrOriginalRecipient", "X-Original-To", "X-Apparently-To"])
def test_a_mailbox_comes_before_the_address_in_to(name):
    original = f"{name}: {BOB}\n{ORIGINAL}"
    assert read(complaint(original=original)).address == BOB


@pytest.mark.parametrize(
    ("field", "token"),
    [
        (
            f"List-Unsubscribe: <https://stop.example.com/u/{SEALED}>, <mailto:u+x@example.com>",
            SEALED,
        ),
        (f"List-Unsubscribe: <mailto:u+{SHORT}@stop.example.com?subject=unsubscribe>", SHORT),
        (f"List-Unsubscribe:\n <mailto:U%2B{SHORT.upper()}@stop.example.com>", SHORT.upper()),
        (f"Return-Path: <b+{SHORT}@stop.example.com>", SHORT),
        (f"Message-ID: <m-{SHORT}@stop.example.com>", SHORT),
        (f"CFBL-Feedback-ID: {SHORT[:10]}\n {SHORT[10:]}", SHORT),
        (f"X-Prefsvc-Token: {SEALED}", SEALED),
    ],
)
def test_who_complained_is_in_our_token_where_the_address_is_obscured(field, token):
    original = f"{field}\nFrom: news@acme.example.com\nTo: redacted@example.org\n\nHello"
    found = read(complaint(extra="Original-Rcpt-To: redacted\n", original=original))
    assert (found.outcome, found.address, found.tokens) == ("complaint", None, (token,))
    with_keys = read(complaint(original=original), keyring=RING)
    assert with_keys.tokens == (token,)
    assert with_keys.address == (ANN if token == SEALED else None)


def test_a_token_of_somebody_elses_is_not_believed():
    stranger = Keyring.for_brands([bytes(32)], ["acme"]).short_token("acme", 7)
    original = f"List-Unsubscribe: <mailto:u+{stranger}@stop.example.com>\n{ORIGINAL}"
    found = read(complaint(original=original), keyring=RING)
    assert (found.outcome, found.address, found.tokens) == ("complaint", ANN, ())


def test_a_complaint_about_nobody_is_still_one():
    found = read(complaint(original="From: news@acme.example.com\n\nHello"))
    assert (found.outcome, found.address, found.tokens) == ("complaint", None, ())


def test_only_the_header_of_the_message_may_be_enclosed():
    raw = complaint().replace(b"message/rfc822", b"text/rfc822-headers")
    assert read(raw).address == ANN


def test_a_report_in_plain_text_is_read():
    raw = complaint().replace(b"message/feedback-report", b"text/plain")
    assert (read(raw).outcome, read(raw).address) == ("complaint", ANN)


def test_microsofts_older_reports_are_read():
    head = "From: staff@hotmail.com\nSubject: complaint about message from 192.0.2.1\n"
    enclosed = f"Content-Type: message/rfc822\n\nX-HmXmrOriginalRecipient: {ANN}\n{ORIGINAL}"
    assert read(multipart(enclosed, head=head)).outcome == "complaint"
    other = multipart(enclosed, head="From: bob@example.org\nSubject: look at this\n")
    assert read(other).outcome == "ignored"


def test_a_complaint_by_amazon_ses_is_read():
    said = {"complainedRecipients": [{"emailAddress": ANN}], "complaintFeedbackType": "abuse"}
    notice = {"eventType": "Complaint", "complaint": said, "mail": {}}
    found = read(letter(json.dumps(notice), "AWS Notification Message"))
    assert (found.outcome, found.address) == ("complaint", ANN)
    said["complaintFeedbackType"] = "not-spam"
    assert read(letter(json.dumps(notice))).outcome == "ignored"


def test_a_person_who_forwards_a_complaint_complains_of_nothing():
    raw = letter("Feedback-Type: abuse\nUser-Agent: x\nVersion: 1", "Fwd: complaint")
    assert read(raw).outcome == "ignored"
