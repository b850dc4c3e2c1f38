import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefsvc.mail import read
from prefsvc.mail.hypertext import plain_text
from prefsvc.mail.message import parse
from prefsvc.mail.reply import own_words
from tests.unit.mail.letters import ANN, failure, letter, multipart, report

MEGABYTE = 2**20
OUTCOMES = {"opt_out", "complaint", "undeliverable", "ask", "ignored"}

FRAGMENTS = st.sampled_from(
    [
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
)


def read_any(raw):
    found = read(raw)
    assert found.outcome in OUTCOMES
    for text in (found.address or "", found.scope or "", *found.others, *found.tokens):
        text.encode()  # no lone surrogate gets this far
        assert "\0" not in text
    return found


@given(st.binary(max_size=2000))
def test_any_octets_are_read(raw):
    read_any(raw)


@settings(max_examples=400)
@given(st.lists(st.one_of(FRAGMENTS, st.binary(max_size=20)), max_size=30))
def test_any_pieces_of_messages_are_read(pieces):
    read_any(b"".join(pieces))


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_words_are_read(subject, body):
    raw = letter(
        body.encode("utf-8", "replace").decode(),
        " ".join(subject.encode("utf-8", "replace").decode().split()),
    )
    read_any(raw)
    read_any(raw.replace(b"text/plain", b"text/html"))


WHOLE = [
    letter(
        "please unsubscribe me\n\nOn 6 May 2024 at 10:12, Acme <a@b.example> wrote:\n> x", "Re: x"
    ),
    letter("<p>stop</p><blockquote>x</blockquote>", "Re: x", kind="text/html"),
    failure("550 5.1.1 user unknown", "5.1.1", original="From: a@b.example\n\nx"),
    report("Feedback-Type: abuse\n", original=f"To: {ANN}\n\nx", kind="feedback-report"),
    multipart("\nx", "Content-Type: text/html\n\n<b>x"),
]


@given(st.sampled_from(WHOLE), st.data())
def test_any_damage_to_a_message_is_read(raw, data):
    at = data.draw(st.integers(0, len(raw)))
    length = data.draw(st.integers(0, 40))
    read_any(raw[:at] + data.draw(st.binary(max_size=10)) + raw[at + length :])


def flood(piece, head=b"From: ann@example.org\n\n"):
    return head + piece * (MEGABYTE // len(piece))


def nested(depth):
    parts = (
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(depth)
    )
    return b"".join(parts) + b"\nunsubscribe"


REPORT = b"From: mailer-daemon@example.net\nReturn-Path: <>\n"
STATUS = (
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
    b"--b\nContent-Type: message/delivery-status\n\n"
)
FEEDBACK = (
    b"Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n"
    b"--b\nContent-Type: message/feedback-report\n\n"
)
FLOODS = {
    "nested multiparts": nested(10_000),
    "empty parts": flood(b"--b\n", b"Content-Type: multipart/mixed; boundary=b\n\n"),
    "parts": flood(b"--b\n\nstop\n", b"Content-Type: multipart/mixed; boundary=b\n\n"),
    "recipients": b"To: " + b", ".join(b"u%d@example.com" % n for n in range(10_000)) + b"\n\nstop",
    "open brackets": flood(b"<", b"To: "),
    "open comments": flood(b"(\\", b"To: "),
    "open strings": flood(b'"\\', b"From: "),
    "addresses without end": flood(b"a@b ", b"From: "),
    "at signs": flood(b"a@"),
    "fields": flood(b"X: y\n", b""),
    "folds": flood(b"\n b", b"Subject: a"),
    "encoded words": flood(b"=?utf-8?q?a?= ", b"Subject: "),
    "half encoded words": flood(b"=?a", b"Subject: "),
    "answers of answers": flood(b"Re: ", b"Subject: "),
    "long subject": flood(b"unsubscribe please ", b"Subject: "),
    "parameters": flood(b"; a=b", b"Content-Type: multipart/mixed"),
    "open parameter": flood(b'"', b"Content-Type: multipart/mixed; boundary="),
    "comments": flood(b"(", b"Auto-Submitted: "),
    "list headers": flood(b"(<", b"List-Unsubscribe: "),
    "quoted lines": flood(b"> x\n"),
    "labels": flood(b"From: x\n"),
    "attributions": flood(b"On 2024-05-06 at 10:00\n"),
    "colons": flood(b":"),
    "one word": flood(b"unsubscribe "),
    "a request again and again": flood(
        b"please remove my email address details from your mailing "
    ),
    "half requests": flood(b"remove my email name address and "),
    "long lines": flood(b"x" * 5000 + b"\n"),
    "spaces": flood(b" "),
    "empty lines": flood(b"  \n"),
    "underscores": flood(b"_"),
    "zero octets": flood(b"\0", b""),
    "octets that are no text": flood(b"\xff", b""),
    "base64": flood(b"QUFB", b"Content-Transfer-Encoding: base64\n\n"),
    "surrogates": flood(b"+2AA-", b"Content-Type: text/plain; charset=utf-7\n\n"),
    "punycode": flood(b"a-", b"Content-Type: text/plain; charset=punycode\n\n"),
    "open tags": flood(b"<a ", b"Content-Type: text/html\n\n"),
    "open attributes": flood(b"<a b='", b"Content-Type: text/html\n\n"),
    "open comments in html": flood(b"<!--", b"Content-Type: text/html\n\n"),
    "open declarations": flood(b"<![", b"Content-Type: text/html\n\n"),
    "open elements": flood(b"<div class=gmail_quote>x", b"Content-Type: text/html\n\n"),
    "closed elements": flood(b"</p>", b"Content-Type: text/html\n\n"),
    "scripts": flood(b"<script>", b"Content-Type: text/html\n\n"),
    "recipients of a report": flood(b"Final-Recipient: rfc822; u@b.example\n\n", REPORT + STATUS),
    "addresses in a report": REPORT + b"\n" + b"".join(b"u%d@b.c not\n" % n for n in range(60_000)),
    "half refusals": flood(b"user the not ", REPORT + b"\n"),
    "commands in a report": flood(b">>> DATA\n<<< 5", REPORT + b"\n"),
    "feedback types": flood(b"Feedback-Type: abuse\n", FEEDBACK),
    "json": flood(b'{"a":', b"Content-Type: text/plain\n\n"),
}


@pytest.mark.parametrize("raw", FLOODS.values(), ids=FLOODS)
def test_a_megabyte_takes_less_than_a_second(raw):
    read(b"stop")  # the tables are read
    before = time.process_time()
    read_any(raw)
    assert time.process_time() - before < 1


def test_ten_times_a_message_takes_no_longer_than_what_is_read_of_it():
    read(b"stop")
    raw = letter("please unsubscribe me\n") + b"x" * 20 * MEGABYTE
    before = time.process_time()
    assert read(raw).outcome == "opt_out"
    assert time.process_time() - before < 1


def test_a_request_before_a_bomb_is_still_found():
    part = "Content-Type: text/plain\n\nplease unsubscribe me"
    bomb = nested(2000).decode()
    raw = multipart(part, bomb, head=f"From: {ANN}\n")
    assert (read(raw).outcome, read(raw).address) == ("opt_out", ANN)


def test_unclosed_html_is_read_to_its_end():
    assert plain_text("<div><p>one<p>two<br>three</b></i></div></div>four").split() == [
        "one", "two", "three", "four"
    ]  # fmt: skip
    assert own_words(parse(letter("<b>stop<!-- x", kind="text/html"))) == "stop"
