from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.act import Act
from prefsvc.address import Address
from prefsvc.brands import AppliedBrand, BrandBook
from prefsvc.evidence import storable
from prefsvc.intent import Decision
from prefsvc.recipients import Recipient
from prefsvc.reviews import Doubt
from prefsvc.spool.items import Doubted, KeptScope, OptedOut, Pressed, Texted, decode, encode
from prefsvc.suppression import Scope
from prefsvc.text_order import Text
from prefsvc.texts import Word
from tests.support.cast import acme

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
BRAND = AppliedBrand(1, acme())
BOOK = BrandBook.of([BRAND], [bytes(32)])

moments = st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1)).map(  # noqa: DTZ001
    lambda at: at.replace(tzinfo=UTC)
)
scopes = st.sampled_from(
    [Scope("channel"), Scope("brand"), Scope("topic", "news"), Scope("third_party_sharing")]
)
texts = st.text(max_size=40)
evidence = st.dictionaries(texts, texts | st.booleans() | st.integers() | st.none(), max_size=4)
recipients = st.builds(
    lambda key, written: Recipient(
        key, "email", written and Address.for_opt_out("email", f"{written}@example.org")
    ),
    st.binary(min_size=16, max_size=16),
    st.none() | st.text("abcDE.+", min_size=1, max_size=9).filter(lambda text: text.strip(".+")),
)
acts = st.builds(
    Act,
    st.just(BRAND),
    recipients,
    scopes,
    st.sampled_from(["link", "one_click", "mailbox", "api"]),
    evidence,
    reason=st.sampled_from(["opt_out", "complaint", "undeliverable"]),
    sent_at=moments,
    received_at=moments,
    idempotency_key=st.none() | texts.filter(bool),
    country=st.sampled_from([None, "NZ"]),
    event_id=st.none() | st.uuids(),
)


def through_the_file(item):
    read = decode(encode(item))
    assert read == item
    return read


def same(read, act, now=NOW):
    assert read.evidence == storable(act.evidence)
    assert read.received_at == (act.received_at or now)
    for name in ("brand", "recipient", "scope", "source", "reason", "sent_at", "idempotency_key",
                 "country", "event_id"):  # fmt: skip
        assert getattr(read, name) == getattr(act, name)
    if act.recipient.address:
        assert read.recipient.address.as_written == act.recipient.address.as_written


@given(st.lists(acts, max_size=3))
def test_opt_outs_are_read_back_as_they_were_said(said):
    read = through_the_file(OptedOut.of(said, NOW)).read(BOOK)
    assert len(read) == len(said)
    for one, act in zip(read, said, strict=True):
        same(one, act)


@given(acts, st.sampled_from(["twilio", "telnyx"]), texts, st.none() | texts, moments)
def test_a_stop_by_text_is_read_back(act, provider, message_id, account, sent_at):
    word = Word("opt_out", act, Text(provider, message_id, account, sent_at))
    read = through_the_file(Texted.of(word, NOW)).read(BOOK)
    assert (read.kind, read.text) == ("opt_out", word.text)
    same(read.act, act)


@given(recipients, texts, evidence, scopes, st.booleans())
def test_a_doubt_is_read_back_with_the_moment_it_came(
    recipient, message_id, proof, scope, is_hearsay
):
    reading = Decision("ask", "wrong_number", "channel", "en")
    doubt = Doubt(BRAND, recipient, message_id, reading, proof, scope, is_hearsay=is_hearsay)
    read = through_the_file(Doubted.of(doubt, NOW)).read(BOOK)
    assert (read.review_id, read.reading, read.scope) == (doubt.review_id, reading, scope)
    assert read.evidence == storable(proof)
    assert (read.received_at, read.is_hearsay) == (NOW, is_hearsay)


@given(st.binary(min_size=8, max_size=8), st.none() | scopes)
def test_a_press_is_read_back(link_id, scope):
    kept = scope and KeptScope.of(scope)
    press = Pressed("acme", link_id, "link", {}, NOW - timedelta(1), uuid4(), kept)
    assert through_the_file(press) == press


@given(st.binary(max_size=60))
def test_what_is_no_item_says_so(content):
    with pytest.raises((msgspec.DecodeError, msgspec.ValidationError)):
        decode(content)
