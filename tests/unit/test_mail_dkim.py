import re
import time
from datetime import UTC, datetime, timedelta

import dkim as second_opinion
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.mail import dkim
from tests.support.signing import record, rsa_key, signed

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MAIL = (
    b"From: Ann <ann@example.org>\r\nTo: news@mail.acme.example.com\r\nSubject:  Stop,\r\n"
    b"\tplease\r\nDate: Mon, 02 Mar 2026 09:00:00 +0000\r\n\r\nNo  more. \r\n\r\nAnn\r\n\r\n\r\n"
)
WAYS = [(one, other) for one in (b"simple", b"relaxed") for other in (b"simple", b"relaxed")]


def results(raw, key_record=None, now=NOW):
    mail = dkim.read(raw)
    key_record = record() if key_record is None else key_record
    return [dkim.verify(mail, one, key_record, now) for one in mail.seals]


@pytest.mark.parametrize("ways", WAYS)
def test_what_another_program_signed_is_good_in_each_spelling(ways):
    assert results(signed(MAIL, "example.org", ways=ways)) == ["pass"]


def test_line_ends_without_cr_are_those_of_the_same_mail():
    assert results(signed(MAIL, "example.org").replace(b"\r\n", b"\n")) == ["pass"]


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"No  more", b"No more, ever"), (b"ann@", b"bob@"), (b"Subject:  Stop", b"Subject: Go")],
)
def test_what_was_altered_is_not(before, after):
    assert results(signed(MAIL, "example.org").replace(before, after)) == ["fail"]


def test_the_relaxed_spelling_forgives_blanks_and_empty_lines_at_the_end():
    raw = signed(MAIL, "example.org").replace(b"No  more. ", b"No more.\t ") + b"\r\n \r\n"
    assert results(raw) == ["pass"]


def test_a_signature_of_another_key_is_none():
    assert results(signed(MAIL, "example.org"), record(rsa_key(1024))) == ["fail"]


@pytest.mark.parametrize(
    ("key_record", "result"),
    [
        ("", "permerror"),
        ("v=DKIM1; p=", "permerror"),
        ("v=DKIM1; p=%%%", "permerror"),
        ("v=DKIM2; p=AAAA", "permerror"),
        (record(k="ed25519"), "permerror"),
        (record(s="tlsrpt"), "permerror"),
        (record(h="sha1"), "permerror"),
        (record(t="y:s", n="a test"), "pass"),
    ],
)
def test_a_key_that_is_not_for_this_proves_nothing(key_record, result):
    assert results(signed(MAIL, "example.org"), key_record) == [result]


def test_a_key_that_cannot_be_asked_for_leaves_it_unknown():
    mail = dkim.read(signed(MAIL, "example.org"))
    assert dkim.verify(mail, mail.seals[0], None, NOW) == "temperror"


def test_a_weak_key_proves_nothing():
    key = rsa_key(1024)
    assert results(signed(MAIL, "example.org", key=key), record(key)) == ["pass"]
    weak = (
        "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAL51ic0lCv5yXKzfSmWnaVaSpLBUNUTUkVjZ8DzzZ3C0fwxJfNgCtNyn"
    )
    assert results(
        signed(MAIL, "example.org"), f"p={weak}NfSZzGmyJgn3vYo0AxLmbgpsiUuGEBcCAwEAAQ=="
    ) == ["policy"]


def test_words_below_what_was_signed_are_not_covered():
    raw = signed(MAIL, "example.org", length=True)
    assert results(raw) == ["pass"]
    assert results(raw + b"Unsubscribe me\r\n") == ["policy"]


def test_a_second_author_is_not_covered():
    raw = signed(MAIL, "example.org")
    assert results(b"From: bob@example.org\r\n" + raw) == ["policy"]


def test_an_expired_signature_is_none():
    raw = signed(MAIL, "example.org").replace(b"; c=", b"; x=1700000000; c=")
    assert results(raw) == ["fail"]
    assert results(raw, now=NOW - timedelta(days=2000)) == ["fail"]  # x= was not signed either


def test_an_old_digest_proves_nothing():
    raw = signed(MAIL, "example.org").replace(b"a=rsa-sha256", b"a=rsa-sha1")
    assert results(raw) == ["policy"]


@pytest.mark.parametrize("tag", [b"v", b"a", b"b", b"bh", b"d", b"h", b"s"])
def test_a_signature_that_lacks_a_tag_is_passed_over(tag):
    raw = re.sub(rb"([ ;])" + tag + rb"=", rb"\1zz=", signed(MAIL, "example.org"), count=1)
    assert results(raw) == []


def test_only_a_few_signatures_are_looked_at():
    raw = signed(MAIL, "example.org")
    header = raw[: -len(MAIL)]
    assert results(header * 40 + MAIL) == ["pass"] * dkim.SIGNATURES_MAX


def test_who_signed_with_ed25519_is_believed(monkeypatch):
    """RFC 8463 appendix A: the mail, the key and the signatures that everybody has."""
    raw = (
        b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
        b" d=football.example.com; i=@football.example.com;\r\n"
        b" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
        b" subject : date : message-id : from : subject : date;\r\n"
        b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
        b" b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
        b" Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
        b"From: Joe SixPack <joe@football.example.com>\r\n"
        b"To: Suzie Q <suzie@shopping.example.net>\r\n"
        b"Subject: Is dinner ready?\r\n"
        b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
        b"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
        b"\r\nHi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
    )
    key = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    assert results(raw, key) == ["pass"]
    assert results(raw.replace(b"dinner", b"supper"), key) == ["fail"]


# By SMTP a body ends with a line end, or there is none.
bodies = st.just(b"") | st.text(alphabet=" \t\r\nax.", max_size=40).map(
    lambda text: f"{text}\r\n".encode()
)


@given(body=bodies, ways=st.sampled_from(WAYS))
def test_two_programs_agree_on_every_body(body, ways):
    raw = MAIL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + body
    raw = re.sub(rb"\r?\n", b"\r\n", raw)
    made = signed(raw, "example.org", ways=ways)
    published = record().encode()
    theirs = second_opinion.verify(made, dnsfunc=lambda _name, **_: published)
    assert (results(made) == ["pass"]) == theirs


@given(
    raw=st.binary(max_size=300)
    | st.text(max_size=300).map(lambda one: one.encode("utf-8", "replace"))
)
def test_nothing_raises(raw):
    for made in (raw, b"DKIM-Signature: " + raw, signed(MAIL, "example.org") + raw):
        assert set(results(made)) <= {"pass", "fail", "policy", "permerror"}
    mail = dkim.read(signed(MAIL, "example.org"))
    assert dkim.verify(mail, mail.seals[0], raw.decode("latin-1"), NOW) in {"permerror", "policy"}


@pytest.mark.parametrize(
    "body",
    [
        b" " * 1_000_000 + b"x",
        b"\r\n" * 500_000,
        b"\r\r\n" * 300_000,
        b" \r\n" * 300_000,
        b"\t" * 1_000_000,
    ],
    ids=["blanks", "line ends", "lone ends", "blank lines", "tabs"],
)
def test_a_megabyte_takes_less_than_a_second(body):
    raw = signed(MAIL, "example.org") + body
    before = time.process_time()
    results(raw)
    assert time.process_time() - before < 1
