import json

import pytest

from prefsvc.mail import read
from prefsvc.mail.refusals import phase_of, verdict
from tests.unit.mail.letters import ANN, BOB, failure, letter, multipart, report

NOBODY = [
    "550 5.1.1 The email account that you tried to reach does not exist.",
    "550 sorry, no mailbox here by that name. (#5.1.1)",
    "550 Requested action not taken: mailbox unavailable",
    f"550 5.1.1 <{ANN}>: Recipient address rejected: User unknown in virtual mailbox table",
    f"550 No such user ({ANN})",
    "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
    "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)",
    "554 delivery error: dd This user doesn't have an example.com account",
    "550 5.1.1 Benutzer unbekannt",
    "550 Usuario desconocido",
    "550 Destinataire inconnu",
    "550 Пользователь не найден",
    "550 5.1.6 recipient no longer on server",
    "551 5.1.6 User has moved",
]
NO_HOST = [
    "Host or domain name not found. Name service error for name=example.net type=A: Host not found",
    "550 5.1.2 Domain does not exist",
    "DNS type 'mx' lookup of example.net responded with code NXDOMAIN",
    "The domain example.net does not accept mail (nullMX)",
    "550 Unrouteable address",
]
SOMETHING_ELSE = [
    "552 5.2.2 Mailbox full",
    "550 5.1.1 user over quota",
    "452 4.2.2 The email account that you tried to reach is over quota",
    "550 5.2.1 The email account that you tried to reach is disabled.",
    "550 5.1.1 mailbox is inactive",
    "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
    "550 5.7.1 Unable to relay for ann@example.org",
    "550 5.7.26 This message does not pass authentication checks (SPF and DKIM both do not pass).",
    "553 5.1.8 Domain of sender address news@example.com does not exist",
    "550 5.1.0 sender rejected",
    "552 5.3.4 message size exceeds fixed limit",
    "450 4.1.1 user unknown",
    "421 4.7.0 try again later",
    "Host not found, try again",
    "550 5.1.1 Refused due to recipient preferences",
    "554 5.4.6 Hop count exceeded - possible mail loop",
    "550 5.7.1 message content rejected",
    "550 5.1.1 has sent to too many recipients this hour",
    "550 5.0.0 Rejected",
]


def gone(raw):
    found = read(raw)
    assert found.outcome in {"undeliverable", "ignored"}
    return [] if found.address is None else [found.address, *found.others]


@pytest.mark.parametrize("text", NOBODY)
def test_a_refusal_that_nobody_is_there_is_final(text):
    assert verdict(text, phase="recipient") == "nobody"
    assert gone(failure(text, "5.1.1")) == [ANN]


@pytest.mark.parametrize("text", NO_HOST)
def test_a_domain_that_is_not_there_needs_no_command(text):
    assert verdict(text) == "nobody"
    assert gone(failure(text, "5.0.0")) == [ANN]


@pytest.mark.parametrize("text", SOMETHING_ELSE)
def test_a_refusal_about_something_else_is_not_the_addresses(text):
    assert verdict(text, phase="recipient") == "something_else"
    assert gone(failure(text, "5.0.0", text=f"{ANN}: {text} (in reply to RCPT TO command)")) == []


@pytest.mark.parametrize(
    ("text", "phase"),
    [
        ("said: 550 user unknown (in reply to RCPT TO command)", "recipient"),
        ("SMTP error from remote mail server after RCPT TO:<a@b>", "recipient"),
        ("192.0.2.1 does not like recipient.", "recipient"),
        (">>> DATA\n<<< 550 user unknown", "message"),
        ("(in reply to end of DATA command)", "message"),
        ("after MAIL FROM:<a@b> SIZE=1", "sender"),
        ("did not like our RCPT TO:", "recipient"),
        ("an error delivering your mail to somebody", None),
    ],
)
def test_reports_tell_at_which_command_they_were_refused(text, phase):
    assert phase_of(text) == phase


@pytest.mark.parametrize(
    ("diagnostic", "status", "believed"),
    [
        ("550 : User unknown", "5.0.0", False),
        (f"550 <{ANN}>: User unknown", "5.0.0", True),
        (f"550 5.2.1 <{ANN}>... User unknown", "5.2.1", False),
        ("550 5.1.1 User unknown", "5.1.1", True),
        (
            "550 5.1.351 Remote server returned unknown recipient -> 550 : User unknown",
            "5.1.351",
            False,
        ),
        ("550 Unknown user", "", True),
    ],
)
def test_user_unknown_is_believed_where_it_is_about_the_address(diagnostic, status, believed):
    assert gone(failure(diagnostic, status)) == ([ANN] if believed else [])


def test_user_unknown_after_the_whole_message_is_not_believed():
    refused = {"diagnostic": "550 Unknown user", "status": "5.2.0"}
    transcript = "   ----- Transcript of session follows -----\n>>> {}\n<<< 550 Unknown user\n"
    assert gone(failure(**refused, text=transcript.format("DATA"))) == []
    assert gone(failure(**refused, text=transcript.format(f"RCPT To:<{ANN}>"))) == [ANN]


@pytest.mark.parametrize(
    "action", ["delayed", "delivered", "relayed", "expanded", "Delayed (retry)"]
)
def test_a_report_of_anything_but_failure_is_ignored(action):
    assert gone(failure("550 5.1.1 user unknown", "5.1.1", action=action)) == []


@pytest.mark.parametrize("action", ["failed", "Failed", "failure", "error", ""])
def test_a_failure_is_one_in_the_words_of_any_program(action):
    assert gone(failure("550 5.1.1 user unknown", "5.1.1", action=action)) == [ANN]


def test_each_recipient_of_a_report_has_its_own_verdict():
    groups = [
        (ANN, "5.1.1", "550 5.1.1 user unknown"),
        (BOB, "5.2.2", "552 5.2.2 mailbox full"),
        ("carol@example.net", "5.1.2", "550 host unknown"),
    ]
    status = "Reporting-MTA: dns; mx.example.net\n" + "".join(
        f"\nFinal-Recipient: rfc822; {address}\nAction: FAILED\nStatus: {code}\n"
        f"Diagnostic-Code: smtp; {text}\n"
        for address, code, text in groups
    )
    assert gone(report(status)) == [ANN, "carol@example.net"]


def test_the_original_recipient_comes_before_the_final_one():
    status = (
        f"Final-Recipient: rfc822; box17@host.example.net\nOriginal-Recipient: rfc822;{ANN}\n"
        "Action: failed\nStatus: 5.1.1\n"
    )
    assert gone(report(status)) == [ANN]


def test_an_internationalised_recipient_is_read():
    status = "Final-Recipient: utf-8; j\\x{F6}rg@example.org\nAction: failed\nStatus: 5.1.1\n"
    assert gone(report(status)) == ["jörg@example.org"]


def test_our_own_address_is_never_the_dead_one():
    original = "From: news@mail.acme.example.com\nTo: x@example.net\nSubject: News\n\nHello"
    raw = failure(
        "550 5.1.1 user unknown", "5.1.1", "news@mail.acme.example.com", original=original
    )
    assert gone(raw) == []


def test_the_token_of_the_message_that_came_back_is_told():
    token = "a" * 31
    original = (
        f"From: n@acme.example.com\nList-Unsubscribe: <mailto:u+{token}@stop.example.com>\n\nHi"
    )
    found = read(failure("550 5.1.1 user unknown", "5.1.1", original=original))
    assert (found.address, found.tokens) == (ANN, (token,))


def test_powermtas_own_category_decides():
    status = (
        "Final-Recipient: rfc822;{}\nAction: failed\nStatus: 5.0.0\nX-PowerMTA-BounceCategory: {}"
    )
    assert gone(report(status.format(ANN, "bad-mailbox"))) == [ANN]
    assert gone(report(status.format(ANN, "quota-issues"))) == []


DAEMON = {"sender": "Mail Delivery System <MAILER-DAEMON@mx.example.net>", "Return_Path": "<>"}
EXIM = f"""This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  {ANN}
    host mx.example.org [192.0.2.1]
    SMTP error from remote mail server after RCPT TO:<{ANN}>:
    550 5.1.1 User unknown
  {BOB}
    host mx.example.org [192.0.2.1]
    SMTP error from remote mail server after RCPT TO:<{BOB}>:
    552 5.2.2 Mailbox full

------ This is a copy of the message, including all the headers. ------

Return-path: <news@mail.acme.example.com>
To: carol@example.net
Subject: user unknown
"""
QMAIL = f"""Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.

<{ANN}>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Return-Path: <news@mail.acme.example.com>
"""
WITHOUT_ADDRESS = f"""Message could not be delivered to mobile.
Error: No valid recipients for this MM

Original Message:
From: News <news@mail.acme.example.com>
To: {ANN}
Subject: Sale
"""
V5_SENDMAIL = f"""   ----- Transcript of session follows -----
>>> DATA
<<< 550 Your mail is redundant
554 <{BOB}>... Remote protocol error
550 example.org (smtp)... 550 Host unknown
554 <{ANN}>... 550 Host unknown (Authoritative answer from name server)

   ----- Unsent message follows -----
From: news@mail.acme.example.com
"""


@pytest.mark.parametrize("body", [EXIM, QMAIL, WITHOUT_ADDRESS, V5_SENDMAIL])
def test_reports_in_words_are_read_address_by_address(body):
    assert gone(letter(body, "Undelivered mail", **DAEMON)) == [ANN]


@pytest.mark.parametrize(
    "body",
    [
        f"<{ANN}>: mailbox full",
        f"Your message to {ANN} has been delayed and will be retried. Host unknown.",
        "Something went wrong.",
        "",
    ],
)
def test_a_report_in_words_that_says_something_else_is_ignored(body):
    assert read(letter(body, "Undelivered mail", **DAEMON)).why == "bounce_for_another_reason"


def test_what_the_returned_message_says_is_not_the_reports():
    body = f"{ANN}: 452 mailbox full\n\n--- Original message ---\n\n{BOB} user unknown, unsubscribe"
    assert gone(letter(body, "Delivery failed", **DAEMON)) == []


def test_a_person_may_write_about_a_delivery():
    assert read(letter("please unsubscribe me", "Delivery problem")).outcome == "opt_out"
    answer = letter("please unsubscribe me\n> user unknown", "Re: Undelivered mail")
    assert read(answer).outcome == "opt_out"


def test_a_report_whose_boundary_is_not_the_declared_one_is_read():
    raw = failure("550 5.1.1 user unknown", "5.1.1")
    assert gone(
        raw.replace(b'boundary="b"', b'boundary="else"').replace(b"--b\n", b"--other\n")
    ) == [ANN]


@pytest.mark.parametrize(
    ("kind", "sub_kind", "is_gone"),
    [
        ("Permanent", "General", True),
        ("Permanent", "NoEmail", True),
        ("Permanent", "Suppressed", False),
        ("Transient", "General", False),
    ],
)
def test_a_notification_by_amazon_ses_is_read(kind, sub_kind, is_gone):
    bounce = {
        "bounceType": kind,
        "bounceSubType": sub_kind,
        "bouncedRecipients": [{"emailAddress": ANN}, {"emailAddress": None}, "x"],
    }
    notice = json.dumps({"notificationType": "Bounce", "bounce": bounce, "mail": {}})
    for text in (notice, notice[:60] + "!\n " + notice[60:] + "\n--\nIf you wish to stop"):
        assert gone(letter(text, "AWS Notification Message")) == ([ANN] if is_gone else [])


def test_html_alone_is_read():
    html = f"<p>Your message to {ANN} was refused:</p><p>550 5.1.1 User unknown</p>"
    raw = multipart(
        f"Content-Type: text/html\n\n{html}",
        head="From: postmaster@example.net\nTo: b@acme.example.com\n",
    )
    assert gone(raw) == [ANN]
