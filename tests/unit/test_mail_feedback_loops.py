"""Complaints in the shapes that the world's feedback loops give them (E-41, E-43, E-45)."""

import base64

import pytest

from prefsvc.mail import read
from prefsvc.token import Keyring
from tests.unit.mail.letters import ANN, BOB

RING = Keyring.for_brands([bytes(range(32))], ["acme"])
TOKEN = RING.short_token("acme", 7)
ABUSE = "Feedback-Type: abuse\nUser-Agent: Loop/1.0\nVersion: 1\n"


def original(to, *, head=f"Return-Path: <b+{TOKEN}@mail.acme.example.com>\n"):
    return f"{head}From: Acme <news@mail.acme.example.com>\nTo: {to}\nSubject: News\n\nHello\n"


OURS = original(ANN)


def loop(
    fields=ABUSE,
    enclosed=OURS,
    *,
    kind='multipart/report; report-type=feedback-report; boundary="b"',
    part="message/feedback-report",
    inner="message/rfc822",
    head="Subject: FW: News\n",
):
    """A report as a loop sends it."""
    return (
        f"From: feedback@arf.example.net\nTo: loop@mail.acme.example.com\n{head}"
        f"MIME-Version: 1.0\nContent-Type: {kind}\n\n"
        "--b\nContent-Type: text/plain\n\nThis is an email abuse report\n\n"
        f"--b\nContent-Type: {part}\n\n{fields}\n"
        f"--b\nContent-Type: {inner}\n\n{enclosed}\n--b--\n"
    ).encode()


def in_base64(text):
    return base64.encodebytes(text.encode()).decode()


MIXED = 'multipart/mixed; boundary="b"'
JMRP = "Subject: complaint about message from 192.0.2.1\n"
LOOPS = {
    "yahoo": loop(
        "Feedback-Type: abuse\nUser-Agent: Yahoo!-Mail-Feedback/2.0\nVersion: 0.1\n"
        f"Original-Mail-From: <news@mail.acme.example.com>\nOriginal-Rcpt-To: {ANN}\n"
        "Received-Date: Mon, 2 Mar 2026 09:00:00 PST\nReported-Domain: mail.acme.example.com\n"
    ),
    "zoho": loop(f"{ABUSE}Original-Rcpt-To: rfc822; {ANN}\n", original("x")),
    "microsoft": loop(
        enclosed=f"X-HmXmrOriginalRecipient: <{ANN}>\n{original(BOB)}",
        head=JMRP,
    ),
    "in plain text": loop(part="text/plain"),
    "not said to be a report": loop(kind=MIXED),
    "in capitals": loop(
        ABUSE.upper(), kind='MULTIPART/REPORT; REPORT-TYPE="Feedback-Report"; BOUNDARY=b'
    ),
    "only the header": loop(inner="text/rfc822-headers; charset=us-ascii"),
    "only the header, by another name": loop(inner="message/rfc822-headers"),
    "the message in base64": loop(
        enclosed=in_base64(original(ANN)),
        inner="message/rfc822\nContent-Transfer-Encoding: base64",
    ),
    "the report in base64": loop(
        in_base64(f"{ABUSE}Original-Rcpt-To: {ANN}\n"),
        original("x"),
        part="message/feedback-report\nContent-Transfer-Encoding: base64",
    ),
    "more incidents than there may be": loop(f"{ABUSE}Incidents: 4294967296\n"),
    "fields of its own": loop(f"{ABUSE}X-Foo: bar\nRemoval-Recipient: {ANN}\n", original("x")),
    "xarf": loop(
        '{"Version": "2", "Report": {"ReportClass": "Activity", "ReportType": "Spam"}}',
        kind=MIXED,
        part="application/json; name=xarf.json",
        head="X-XARF: PLAIN\nAuto-Submitted: auto-generated\n",
    ),
    "xarf as yaml": loop(
        "Category: abuse\nReport-Type: x\nReport_Type: spam\n",
        kind=MIXED,
        part="text/plain; name=report.txt",
        head="X-XARF: PLAIN\n",
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_complaint_is_one_in_every_loops_shape(name):
    found = read(LOOPS[name])
    assert (found.outcome, found.address, found.scope) == ("complaint", ANN, "channel")


@pytest.mark.parametrize(
    "obscured",
    ["redacted", "redacted@example.net", "recipient@redacted.invalid", "xxxx@example.net", ""],
)
def test_our_token_says_who_complained_where_a_loop_obscures_it(obscured):
    raw = loop(f"{ABUSE}Original-Rcpt-To: {obscured}\n", original(obscured))
    found = read(raw, keyring=RING)
    assert (found.outcome, found.tokens) == ("complaint", (TOKEN,))


def test_a_report_by_cfbl_needs_nothing_but_its_id():
    enclosed = (
        f"CFBL-Feedback-ID: {TOKEN[:8]}\n {TOKEN[8:]}\nMessage-ID: <1@mail.acme.example.com>\n"
    )
    found = read(loop(enclosed=enclosed, inner="text/rfc822-headers"), keyring=RING)
    assert (found.outcome, found.tokens) == ("complaint", (TOKEN,))
    guessed = loop(enclosed=enclosed.replace(TOKEN[8:], TOKEN[8:][::-1]))
    assert read(guessed, keyring=RING).tokens == ()


def test_a_report_in_xarf_of_something_else_is_looked_at():
    raw = LOOPS["xarf"].replace(b'"Spam"', b'"Malware"')
    assert read(raw).outcome == "ask"
