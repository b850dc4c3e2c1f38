"""Small messages and pieces of messages to begin with, for whoever damages them."""

from tests.unit.mail.letters import ANN, failure, letter, multipart, report

FRAGMENTS = [
    b"Content-Type: multipart/report; report-type=feedback-report; boundary=b\n",
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n",
    b"Content-Type: message/delivery-status\n",
    b"Content-Type: message/feedback-report\n",
    b"Content-Type: message/rfc822\n",
    b"Content-Type: text/html; charset=utf-7\n",
    b"Content-Type: text/plain; charset=\x00\n",
    b"Content-Transfer-Encoding: base64\n",
    b"Content-Transfer-Encoding: quoted-printable\n",
    b"Content-Disposition: attachment\n",
    b"Final-Recipient: utf-8; \\x{10FFFFF}\\x{D800}@example.org\n",
    b"Final-Recipient: rfc822;\n",
    b"Action: failed\nStatus: 9999.9.9\n",
    b"Diagnostic-Code: smtp; 550 5.1.1 user unknown\n",
    b"Feedback-Type: abuse\nUser-Agent: x\nVersion: 1\n",
    b"Original-Rcpt-To: a@b, c@d\n",
    b"List-Unsubscribe: <mailto:u+%00%ff@x>, (<https://x/u/",
    b"From: \xff\xfe <a@b\n",
    b'From: "\\',
    b"To: u+" + b"a" * 31 + b"@example.com\n",
    b"Subject: =?utf-8?b?\xff?= =?x?q?=ED=A0=80?=\n",
    b"Subject: unsubscribe\n",
    b"Return-Path: <>\n",
    b"List-Id: >x<\n",
    b"\n",
    b"\r\n\r\n",
    b"--b\n",
    b"--b--\n",
    b"> quoted\n",
    b"On 2024-05-06 10:12 a@b.c wrote:\n",
    b"From: a@b.c\nSent: x\nTo: y\n",
    b'{"eventType": 1, "mail": [], "bounce": {"bounceType": "Permanent"}}',
    b'{"eventType": "Complaint", "mail": 1, "complaint": {"complainedRecipients": [{}, 1]}}',
    b"<blockquote><a href='http://x'>stop</a></blockquote",
    b"please unsubscribe me\n",
    b"\xed\xa0\x80\x00\xff",
]
WHOLE = [
    letter(
        "please unsubscribe me\n\nOn 6 May 2024 at 10:12, Acme <a@b.example> wrote:\n> x", "Re: x"
    ),
    letter("<p>stop</p><blockquote>x</blockquote>", "Re: x", kind="text/html"),
    failure("550 5.1.1 user unknown", "5.1.1", original="From: a@b.example\n\nx"),
    report("Feedback-Type: abuse\n", original=f"To: {ANN}\n\nx", kind="feedback-report"),
    multipart("\nx", "Content-Type: text/html\n\n<b>x"),
]
