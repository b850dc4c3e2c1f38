from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.mail.authentication import (
    NOBODY_LOOKED,
    Authentication,
    Signature,
    author_of,
    is_at_or_below,
)
from prefsvc.mail.message import parse
from prefsvc.mail.reading import Reading
from prefsvc.mail.trust import hear, is_proven
from tests.unit.mail.letters import ANN, BOB, letter

LOOP = "arf.example.net"
domains = st.sampled_from(["example.org", "example.net", LOOP, f"a.{LOOP}", ""])
results = st.sampled_from(["pass", "fail", "none", "temperror", "policy"])
found = st.builds(
    Authentication,
    by=st.sampled_from(["check", "header", "ses"]),
    author=st.sampled_from([ANN, BOB, None]),
    is_aligned=st.booleans(),
    dmarc=results,
    spf=results,
    signatures=st.lists(st.builds(Signature, domains, results), max_size=3).map(tuple),
)
readings = st.builds(
    Reading,
    st.sampled_from(["opt_out", "complaint", "undeliverable", "ask"]),
    st.sampled_from(["feedback_report", "removal_subject", "nobody_there"]),
    st.sampled_from([ANN, BOB, None]),
)
MESSAGE = parse(letter("Stop"))


@given(found, readings)
def test_our_own_token_proves_it_and_the_words_about_others_never_do(known, reading):
    assert is_proven("token", reading, known, [LOOP])
    for named_by in ("words", "report"):
        assert not is_proven(named_by, reading, known, [LOOP])


@given(found, readings)
def test_a_request_is_proven_by_its_author_alone(known, reading):
    asked = replace(reading, outcome="opt_out", why="removal_subject")
    proven = known.is_aligned and known.author == asked.address and known.author is not None
    assert is_proven("sender", asked, known, [LOOP]) == proven


@given(found, readings)
def test_a_bounce_is_proven_by_nobodys_signature(known, reading):
    assert not is_proven("sender", replace(reading, outcome="undeliverable"), known, [LOOP])


@given(found, readings, st.booleans())
def test_only_reports_are_not_heard(known, reading, by_token):
    how = hear(reading, MESSAGE, known, signers=[LOOP], by_token=by_token)
    if reading.why != "feedback_report" or by_token:
        assert how == "heard"
    else:
        is_signed = any(
            one.result == "pass" and is_at_or_below(one.domain, LOOP) for one in known.signatures
        )
        assert how == ("heard" if is_signed else "ask")
    assert hear(reading, MESSAGE, NOBODY_LOOKED, signers=[], by_token=by_token) == "heard"


@pytest.mark.parametrize(
    ("fields", "author"),
    [
        ("From: Ann <ann@example.org>", ANN),
        ("From: ANN@Example.ORG", ANN),
        ("From: ann@example.org\nFrom: bob@example.org", None),
        ("From: ann@example.org, bob@example.org", None),
        ("From: nobody", None),
        ("Sender: ann@example.org", None),
        (f"From: {'x' * 5000} <ann@example.org>", None),
        ("From: bob@example.org <ann@example.org>", ANN),
    ],
)
def test_a_mail_has_one_author_or_none(fields, author):
    assert author_of(parse(f"{fields}\n\n".encode())) == author


def test_who_vouches_for_it_shows_no_address():
    known = Authentication(by="check", author=ANN, is_aligned=True)
    assert ANN not in repr(known)
    assert ANN not in str(known.to_document())
