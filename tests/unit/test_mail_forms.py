from urllib.parse import unquote_to_bytes, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.errors import InvalidBody
from prefsvc.mailbox import forms

BOUNDARY = "xYzZY"
MULTIPART = f"multipart/form-data; charset=utf-8; Boundary={BOUNDARY}"


def multipart(*fields):
    parts = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n'
        "Content-Type: text/plain\r\n\r\n".encode()
        + value
        + b"\r\n"
        for name, value in fields
    )
    return b"".join([*parts, f"--{BOUNDARY}--".encode()])


ANY_MAIL = st.binary(min_size=1).filter(lambda raw: BOUNDARY.encode() not in raw)


@given(raw=ANY_MAIL, name=st.sampled_from(["email", "body-mime"]))
def test_a_mail_in_a_multipart_form_is_read_octet_for_octet(raw, name):
    posted = forms.read(MULTIPART, multipart(("subject", b"x"), (name, raw), ("spam", b"")))
    assert posted == forms.Posted(raw, ())


@given(raw=st.binary(min_size=1), name=st.sampled_from(["email", "body-mime"]))
def test_a_mail_in_an_escaped_form_is_read_octet_for_octet(raw, name):
    body = urlencode({"subject": "x", name: raw}).encode()
    assert forms.read(forms.URLENCODED, body) == forms.Posted(raw, ())


@given(body=st.binary(), head=st.binary(max_size=50), end=st.sampled_from([b"", b"--xYzZY--"]))
def test_any_octets_are_a_form_or_refused(body, head, end):
    for content_type in (MULTIPART, forms.URLENCODED):
        try:
            posted = forms.read(content_type, b"--xYzZY" + head + b"\r\n\r\n" + body + end)
        except InvalidBody:
            continue
        assert posted.raw


@given(raw=ANY_MAIL, kept=st.integers(min_value=0))
def test_half_a_form_is_never_half_a_mail(raw, kept):
    whole = multipart(("body-mime", raw))
    with pytest.raises(InvalidBody):
        forms.read(MULTIPART, whole[: kept % (len(whole) - 1)])


@pytest.mark.parametrize(
    ("fields", "recipients"),
    [
        ([("envelope", b'{"to": ["a@example.com", "b@example.com"], "from": "x@example.org"}')],
         ("a@example.com", "b@example.com")),
        ([("envelope", b'{"to": "a@example.com"}')], ("a@example.com",)),
        ([("envelope", b'{"to": null}')], ()),
        ([("envelope", b"[" * 100_000)], ()),
        ([("envelope", b"\xff")], ()),
        ([("recipient", b"a@example.com")], ("a@example.com",)),
        ([("recipient", b"a@example.com, b@example.com")], ("a@example.com", "b@example.com")),
        ([("recipient", b"a@example.com"), ("recipient", b"x@example.org")], ("a@example.com",)),
    ],
)  # fmt: skip
def test_the_recipients_are_the_envelopes_where_it_can_be_read(fields, recipients):
    posted = forms.read(MULTIPART, multipart(("email", b"x"), *fields))
    assert posted.recipients == recipients


def test_a_posted_mail_shows_neither_itself_nor_its_recipients():
    posted = forms.Posted(b"Subject: stop", ("a@example.com",))
    assert "stop" not in repr(posted)
    assert "example.com" not in repr(posted)


@pytest.mark.parametrize("octet", [b"\xff", b"a", b"+", b"%"])
def test_a_large_form_is_read_whole(octet):
    raw = octet * (1 << 20)
    assert forms.read(MULTIPART, multipart(("email", raw))).raw == raw
    assert forms.read(forms.URLENCODED, urlencode({"email": raw}).encode()).raw == raw


@given(body=st.text("%+aF4=", max_size=50))
def test_escapes_that_are_none_stay_as_they_are(body):
    read = forms.read(forms.URLENCODED, f"email=.{body}".encode())
    assert read.raw == unquote_to_bytes(f".{body}".replace("+", " "))
