"""The mail of a receipt, whatever is in the fields that it is made of."""

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from types import SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prefsvc.brands import AppliedBrand, BrandBook
from prefsvc.deliveries import Delivery, Notice
from prefsvc.outward.receipt import message
from prefsvc.receipt_words import Told, mail_of
from prefsvc.receipts import Receipt
from prefsvc.settings import Settings
from prefsvc.suppression import Scope
from prefsvc.wording.texts import TEXTS
from tests.receipts.conftest import CARE, answering

AT = datetime(2026, 11, 20, 17, tzinfo=UTC)
NAME = UUID("3a3b1a52-52a0-4a2b-93a5-16d5a0a2c6d1")
EVENT = UUID("0199f3a2-7c1e-7b1f-9d6a-2f41c0a8e511")
FIELDS = [
    "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted",
    "X-Auto-Response-Suppress", "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
    "Content-Language",
]  # fmt: skip
BRAND = AppliedBrand(1, answering())
SERVICE = SimpleNamespace(
    settings=Settings(public_url="https://stop.example.com"),
    vault=SimpleNamespace(nonce_key=b"k" * 32),
    book=BrandBook.of([BRAND], [b"m" * 32]),
)
DELIVERY = Delivery(NAME, Notice("receipt", AT, {}), 0, 0, AT)
RECEIPT = Receipt(
    address="ann@example.org",
    event_id=EVENT,
    scope=Scope("channel"),
    language="en",
    deadline_at=AT,
    since=None,
    offers_undo=True,
    message_id="<1@example.org>",
    references=(),
)

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80)
ids = st.from_regex(r"\A<[!-;=?-~]{1,248}>\Z")


def written(receipt=RECEIPT, brand=BRAND):
    """Return the mail as it goes over the wire, and as its reader takes it apart."""
    raw = message(SERVICE, brand, DELIVERY, receipt).as_bytes(policy=policy.SMTP)
    return raw, message_from_bytes(raw, policy=policy.default)


def named(name):
    return replace(BRAND, brand=replace(BRAND.brand, name=name, names=()))


@given(names, st.sampled_from(sorted(TEXTS)))
@example("Acme\r\nBcc: bob@example.org", "en")
@example("Acme\x0bBcc: x\x85Bcc: y\u2028Bcc: z", "ar")
@example('"Acme" <bob@example.org>, Bob', "de")
@example("=?utf-8?q?Acme=0D=0ABcc:_bob@example.org?=", "fr")
@example("é" * 80, "es")
def test_no_name_adds_a_field_or_a_reader(name, language):
    raw, read = written(replace(RECEIPT, language=language), named(name))
    assert sorted(read.keys()) == sorted(FIELDS)
    assert [one.addr_spec for one in read["From"].addresses] == [CARE]
    assert [one.addr_spec for one in read["To"].addresses] == [RECEIPT.address]
    head = raw.partition(b"\r\n\r\n")[0]
    assert head.isascii()
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"\r" not in head.replace(b"\r\n", b"")
    assert b"\n" not in head.replace(b"\r\n", b"")


@given(ids, st.lists(ids, max_size=10))
@example("<" + "a" * 248 + ">", ["<" + "=?utf-8?q?b?=" * 19 + ">"] * 10)
def test_every_id_arrives_as_it_was(message_id, references):
    raw, read = written(replace(RECEIPT, message_id=message_id, references=tuple(references)))
    assert read["In-Reply-To"].split() == [message_id]
    assert sorted(read.keys()) == sorted(FIELDS)
    # As any other program would read it, which undoes no encoded words in it.
    folded = raw.partition(b"\r\nReferences: ")[2].partition(b"\r\nAuto-Submitted")[0]
    assert folded.decode().split() == [*references, message_id]


@given(names, names, st.sampled_from(sorted(TEXTS)))
def test_any_topic_and_name_are_said_in_any_language(name, topic, language):
    known = BRAND.brand
    news = replace(known.topics[0], name=topic, names=())
    brand = replace(BRAND, brand=replace(known, name=name, names=(), topics=(news,)))
    receipt = replace(RECEIPT, scope=Scope("topic", news.slug), language=language)
    _, read = written(receipt, brand)
    assert "{" not in TEXTS[language].by_key["receipt.automatic"]
    assert str(EVENT) in read.get_content()
    assert read["Content-Language"] == language


def test_without_the_id_of_the_mail_no_thread_is_claimed():
    _, read = written(replace(RECEIPT, message_id=None, references=("<0@example.org>",)))
    assert "In-Reply-To" not in read
    assert "References" not in read


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("scope", [Scope("channel"), Scope("brand"), Scope("topic", "news")])
@pytest.mark.parametrize("since", [None, AT])
def test_it_is_plain_text_without_an_advertisement(language, scope, since):
    receipt = replace(RECEIPT, language=language, scope=scope, since=since, offers_undo=not since)
    _, read = written(receipt)
    assert read.get_content_type() == "text/plain"
    text = read.get_content()
    assert text.count("http") == (0 if since else 1)
    assert ("/undo/" in text) == (since is None)
    assert RECEIPT.address not in text
    assert len(text.splitlines()) <= 12


def test_a_topic_that_is_gone_is_told_as_the_channel():
    _, read = written(replace(RECEIPT, scope=Scope("topic", "gone")))
    assert read["Subject"] == "You are unsubscribed from all Acme marketing emails"


def test_what_has_no_deadline_and_no_contact_is_told_without():
    told = Told(language="en", brand="Acme", covered="brand", number=str(EVENT))
    subject, text = mail_of(told)
    assert subject == "You are unsubscribed from all Acme marketing"
    assert text == (
        f"{subject}\n\nIt counts from now on.\n\n"
        f"This is an automatic answer to an email from your address.\nReceipt: {EVENT}\n"
    )
