import json
import os
from email import message_from_bytes, policy
from email.header import decode_header
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.list_headers import list_id, parse_list_unsubscribe, same_list

ROOT = Path(__file__).parents[2]
CORPORA = ROOT / os.environ.get("PREFSVC_CORPORA", "../shared/corpora")


# RULES E-02: RFC 2369 §2, sentence by sentence.
@pytest.mark.parametrize(
    ("value", "uris"),
    [
        ("<https://a.example.com/u>, <mailto:u@example.com>",
         ["https://a.example.com/u", "mailto:u@example.com"]),
        ("<https://a.example.com/u>,\r\n\t<mailto:u@example.com>",
         ["https://a.example.com/u", "mailto:u@example.com"]),
        ("<https://a.example.com/\r\n u>", ["https://a.example.com/u"]),
        ("(Use this (or not)) <https://a.example.com/u>", ["https://a.example.com/u"]),
        (r"(a \) b) <mailto:a@example.com> (web),(x) <mailto:b@example.com>",
         ["mailto:a@example.com", "mailto:b@example.com"]),
        ("<mailto:a@example.com> or else, <mailto:b@example.com>", ["mailto:a@example.com"]),
        ("<mailto:a@example.com>, mailto:b@example.com, <mailto:c@example.com>",
         ["mailto:a@example.com"]),
        ("<mailto:a@example.com>,", ["mailto:a@example.com"]),
        ("<mailto:a@example.com>, <mailto:b@example.com", ["mailto:a@example.com"]),
        ("<>, <mailto:b@example.com>", ["mailto:b@example.com"]),
        ("mailto:a@example.com", []),
        ("NO <mailto:a@example.com>", []),
        ("=?utf-8?q?=3Chttps=3A//a=2Eexample=2Ecom=3E?=", []),
        ("(open <mailto:a@example.com>", []),
        ("(" * 9999, []),
        ("", []),
    ],
)  # fmt: skip
def test_a_value_is_read_as_rfc_2369_says(value, uris):
    assert parse_list_unsubscribe(value) == uris


@given(st.text(st.sampled_from('<>,() \\\r\n"=?abc:/'), max_size=40))
def test_any_value_is_read_or_ignored_and_never_a_fault(value):
    for uri in parse_list_unsubscribe(value):
        assert uri
        assert not set("> \r\n") & set(uri)


@pytest.mark.skipif(not CORPORA.is_dir(), reason="no corpora; PREFSVC_CORPORA names their folder")
def test_every_value_seen_in_the_wild_is_read_whole():
    path = CORPORA / "email" / "list_unsubscribe_wild_spamassassin.json"
    values = {case["list_unsubscribe"] for case in json.loads(path.read_text(encoding="utf-8"))}
    assert len(values) > 40
    for value in values:
        uris = parse_list_unsubscribe(value)
        assert uris
        assert ", ".join(f"<{uri}>" for uri in uris) == value


def test_a_list_id_stays_the_same_when_its_name_changes():
    before = list_id("Acme", "news", "acme.example.org")
    after = list_id('Acme "& Söhne"', "news", "ACME.example.org")
    assert before == "Acme <news.acme.example.org>"
    assert before != after
    assert same_list(before, after)
    assert not same_list(before, list_id("Acme", "offers", "acme.example.org"))


@given(st.text(max_size=20).filter(str.isprintable))
def test_the_name_of_a_list_id_survives_the_wire(name):
    value = list_id(name, "news", "acme.example.org")
    assert value.isascii()
    assert value.endswith("<news.acme.example.org>")
    message = EmailMessage(policy=policy.SMTP)
    message["List-Id"] = value
    received = message_from_bytes(message.as_bytes(), policy=policy.default)["List-Id"]
    assert same_list(received, value)
    if not name.isascii():
        words = decode_header(value.rpartition(" ")[0])
        assert "".join(part.decode(charset or "ascii") for part, charset in words) == name


def test_a_name_that_needs_quotes_has_them():
    value = list_id('Acme, "the" \\ Shop', "news", "acme.example.org")
    assert value == '"Acme, \\"the\\" \\\\ Shop" <news.acme.example.org>'
    assert list_id("", "news", "acme.example.org") == "<news.acme.example.org>"


@pytest.mark.parametrize(
    ("name", "topic", "domain"),
    [
        ("Acme", "", "acme.example.org"),
        ("Acme", "n ws", "acme.example.org"),
        ("Acme", "news>", "acme.example.org"),
        ("Acme", "news", "exämple.org"),
        ("Acme", "news", ""),
        ("Acme\r\nBcc: b@example.org", "news", "acme.example.org"),
        ("A" * 240, "news", "acme.example.org"),
        ("Acme", "news", "a" * 250 + ".example.org"),
    ],
)
def test_a_list_id_that_is_none_or_longer_than_255_octets_is_refused(name, topic, domain):
    with pytest.raises(ValueError, match=r"List-Id|one line"):
        list_id(name, topic, domain)
