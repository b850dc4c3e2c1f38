"""Whether Telnyx signed it, and when: no input raises, and age is apart from forgery."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.sms.telnyx.signature import age_of, is_fresh, is_signed_by
from tests.sms.telnyx_client import ANOTHER_KEY, KEY, signed

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
AT = str(int(NOW.timestamp()))
BODY = b'{"data":{}}'


def checked(body=BODY, *, keys=(KEY,), timestamp=AT, signature=None):
    made = signed(BODY, timestamp=AT)["telnyx-signature-ed25519"]
    return is_signed_by(
        [key.public_key() for key in keys],
        body=body,
        timestamp=timestamp,
        signature=made if signature is None else signature,
    )


def test_what_telnyx_signed_is_signed_whichever_of_its_keys_it_was():
    assert checked()
    assert checked(keys=(ANOTHER_KEY, KEY))
    assert not checked(keys=(ANOTHER_KEY,))
    assert not checked(keys=())


@pytest.mark.parametrize(
    ("body", "timestamp"),
    [
        (BODY + b" ", AT),
        *((BODY, at) for at in (str(int(AT) + 1), f" {AT}", "", None, "\ud800", "١٢٣", AT * 9)),
    ],
)
def test_body_and_timestamp_are_signed_together(body, timestamp):
    assert not checked(body, timestamp=timestamp)


def test_what_stands_on_either_side_of_the_bar_cannot_be_moved_across_it():
    made = signed(b"b|c", timestamp="1")["telnyx-signature-ed25519"]
    key = [KEY.public_key()]
    assert is_signed_by(key, body=b"b|c", timestamp="1", signature=made)
    assert not is_signed_by(key, body=b"c", timestamp="1|b", signature=made)


@pytest.mark.parametrize("signature", ["", "AAAA", "é", "A" * 500, "=" * 88, "\ud800"])
def test_a_broken_signature_is_none(signature):
    assert not checked(signature=signature)


def test_a_signature_with_anything_beside_it_is_none():
    made = signed(BODY, timestamp=AT)["telnyx-signature-ed25519"]
    for one in (f" {made}", f"{made}\n", f"{made}, {made}", made.rstrip("=")):
        assert not checked(signature=one)


@given(
    body=st.binary(max_size=100),
    timestamp=st.none() | st.text(st.characters(), max_size=80),
    signature=st.none()
    | st.text(st.characters(), max_size=140)
    | st.binary(min_size=60, max_size=70).map(lambda raw: base64.b64encode(raw).decode()),
)
def test_nothing_raises_and_nothing_made_up_is_signed(body, timestamp, signature):
    key = [KEY.public_key()]
    assert not is_signed_by(key, body=body, timestamp=timestamp, signature=signature)


@pytest.mark.parametrize(
    ("seconds", "fresh"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)]
)
def test_five_minutes_either_way_are_fresh(seconds, fresh):
    assert is_fresh(AT, NOW + timedelta(seconds=seconds)) is fresh


@pytest.mark.parametrize(
    "timestamp",
    ["", "soon", "2026-03-02T09:00:00Z", "1e9", "-" + "9" * 30, "9" * 60, "1.5"],
)
def test_what_is_no_moment_is_not_fresh(timestamp):
    assert age_of(timestamp, NOW) is None
    assert not is_fresh(timestamp, NOW)


@given(st.text(st.characters(), max_size=64))
def test_no_timestamp_raises(timestamp):
    is_fresh(timestamp, NOW)
