"""What we read in list headers and find wrong with them, beside an independent reader of them."""

import itertools
import json

import listunsub
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.links import ONE_CLICK, Link, list_unsubscribe, seal
from prefsvc.list_headers import lint, parse_list_unsubscribe
from prefsvc.token import Keyring

RING = Keyring.for_brands([bytes(range(32))], ["acme"])
PIECES = [
    "<", ">", "(", ")", ",", "\\", '"', " ", "\r\n ", "\t", "x", "\u00e9", "https://a.example/u",
    "mailto:u@b.example", "<https://a.example/u>", "<mailto:u@b.example>",
]  # fmt: skip
HTTPS, MAILTO = "<https://a.example/u/x>", "<mailto:u@b.example>"
VALUES = [
    HTTPS, f"{HTTPS}, {MAILTO}", f"{MAILTO}, {HTTPS}", MAILTO, "<http://a.example/u>", "",
    f"<{HTTPS}",
    "https://a.example/u", "<https://a.example/\r\n u>", "=?utf-8?q?=3Chttps=3A//a=2Eexample=3E?=",
    f"{HTTPS}, <http://a.example/u>", "<https://a.example/\u00e9>", f"(c) {HTTPS}", f"{HTTPS} x",
]  # fmt: skip
POSTS = ["List-Unsubscribe=One-Click", '"List-Unsubscribe=One-Click"', "List-Unsubscribe=1", None]
SIGNED = [
    None,
    "v=1; d=a.example; h=from:list-unsubscribe:list-unsubscribe-post; b=x",
    "v=1; h=from : List-Unsubscribe :\r\n list-unsubscribe-post; b=x",
    "v=1; h=from:list-unsubscribe; b=x",
]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_any_value_is_read_as_another_reader_reads_it(value):
    # That one passes over empty entries; RFC 2369 has none, and ends the list.
    if ",," not in "".join(value.split()):
        assert parse_list_unsubscribe(value) == listunsub.parse(value)


def test_values_in_the_wild_are_read_as_another_reader_reads_them(corpora):
    rows = json.loads(
        (corpora / "email/list_unsubscribe_wild_spamassassin.json").read_text("utf-8")
    )
    values = [row["list_unsubscribe"] for row in rows]
    assert [one for one in values if parse_list_unsubscribe(one) != listunsub.parse(one)] == []


@pytest.mark.parametrize(
    ("value", "post", "signature"), list(itertools.product(VALUES, POSTS, SIGNED))
)
def test_whatever_another_auditor_finds_wrong_we_do_too(value, post, signature):
    fields = [("List-Unsubscribe", value), ("List-Unsubscribe-Post", post)]
    fields.append(("DKIM-Signature", signature))
    lines = [f"{name}: {text}\r\n" for name, text in fields if text is not None]
    signatures = [signature] if signature else None
    problems = listunsub.audit(value, post, dkim_signatures=signatures)
    assert not problems or lint(f"{''.join(lines)}\r\nHello".encode())


def test_another_auditor_finds_nothing_wrong_with_our_own_headers():
    token = seal(RING.key("acme"), Link("email", "ann@example.org", topic="news"))
    made = list_unsubscribe(f"https://stop.example.com/u/{token}")
    assert listunsub.audit(made.value, ONE_CLICK) == []
