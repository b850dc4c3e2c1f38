import copy
import pickle
import smtplib
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefsvc.links import Link, LinkKey, message_headers, seal
from prefsvc.list_headers import (
    ONE_CLICK,
    ListUnsubscribe,
    lint,
    list_unsubscribe,
    parse_list_unsubscribe,
    unsubscribe_mailto,
)

URL = "https://prefs.example.com/u/abc"
LONG_URL = "https://prefs.example.com/u/" + "aB3-_xYz" * 20
SHORT_TOKEN = "ab2cdefghijklmnopqrstuvwxyz3456"
MAILTO = f"mailto:u+{SHORT_TOKEN}@example.com?subject=unsubscribe"

URLS = st.builds(
    "https://{}/u/{}".format,
    st.from_regex(r"[a-z0-9]{1,60}\.example\.(com|org)", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_-]{28,680}", fullmatch=True),
)
MAILTOS = st.none() | st.builds(
    unsubscribe_mailto,
    st.from_regex(r"[a-z2-7]{31}", fullmatch=True),
    st.from_regex(r"[a-z0-9-]{1,60}\.example\.com", fullmatch=True),
)

POLICIES = [policy.default, policy.SMTP, policy.SMTPUTF8, policy.HTTP, policy.compat32]


class Recorder(smtplib.SMTP):
    """What `send_message` would put on the wire."""

    def __init__(self):
        self.sent = b""
        self.esmtp_features = {}

    def ehlo_or_helo_if_needed(self):
        pass

    def sendmail(self, *arguments):
        self.sent = arguments[2]
        return {}


def addressed(message, headers):
    for name, value in {"From": "a@example.org", "To": "b@example.org", **headers}.items():
        message[name] = value
    return message


def modern(headers, using=policy.default):
    message = EmailMessage(policy=using)
    message.set_content("Hello\n")
    return addressed(message, headers)


def legacy(headers):
    return addressed(MIMEText("Hello\n"), headers)


def sent(message):
    recorder = Recorder()
    recorder.send_message(message)
    return recorder.sent


def wire_forms(headers):
    """The same headers as Python's ways of building and writing a mail put them on the wire."""
    for using in POLICIES:
        yield modern(headers).as_bytes(policy=using)
        yield legacy(headers).as_bytes(policy=using)
        yield addressed(MIMEMultipart(), headers).as_bytes(policy=using)
    yield modern(headers, policy.SMTP).as_bytes()
    yield sent(modern(headers))
    yield sent(legacy(headers))
    yield copy.deepcopy(modern(headers)).as_bytes()
    yield pickle.loads(pickle.dumps(modern(headers, policy.SMTP))).as_bytes()


def headers_of(url, mailto=None):
    return {
        "List-Unsubscribe": list_unsubscribe(url, mailto),
        "List-Unsubscribe-Post": ONE_CLICK,
    }


@settings(deadline=None)  # it writes some twenty mails
@given(URLS, MAILTOS)
def test_every_way_to_write_a_mail_in_python_keeps_the_uris_whole(url, mailto):
    uris = [url] if mailto is None else [url, mailto]
    for raw in wire_forms(headers_of(url, mailto)):
        assert lint(raw) == []
        assert b"<" + url.encode() + b">" in raw
        value = message_from_bytes(raw)["List-Unsubscribe"]
        assert parse_list_unsubscribe(value) == uris


@given(st.from_regex(r"https://[a-z]{1,20}\.example\.com/u/[a-z2-7]{31}", fullmatch=True))
def test_a_program_that_reads_and_writes_a_mail_again_keeps_a_short_link_whole(url):
    for using in (policy.default, policy.SMTP):
        raw = modern(headers_of(url, MAILTO)).as_bytes()
        again = message_from_bytes(raw, policy=using).as_bytes()
        assert lint(again) == []


def test_plain_text_of_the_same_value_is_spoiled_and_the_lint_finds_it():
    # Should Python learn to leave URIs alone, this test says that ListUnsubscribe can go.
    raw = modern(headers_of(LONG_URL) | {"List-Unsubscribe": f"<{LONG_URL}>"}).as_bytes()
    [finding] = lint(raw)
    assert "RFC 2047" in finding


def test_plain_text_of_the_same_value_survives_with_long_lines():
    headers = headers_of(LONG_URL) | {"List-Unsubscribe": f"<{LONG_URL}>"}
    using = policy.SMTP.clone(max_line_length=998)
    assert lint(modern(headers, using).as_bytes()) == []


@given(URLS, MAILTOS)
def test_the_folded_value_breaks_between_uris_only(url, mailto):
    value = list_unsubscribe(url, mailto)
    uris = [url] if mailto is None else [url, mailto]
    assert value.folded == ",\r\n ".join(f"<{uri}>" for uri in uris)
    assert value.value == ", ".join(f"<{uri}>" for uri in uris)
    raw = f"List-Unsubscribe: {value.folded}\r\nList-Unsubscribe-Post: {ONE_CLICK}\r\n\r\n"
    assert lint(raw.encode()) == []


def test_a_line_has_78_characters_at_most_where_the_uris_allow_it():
    field = list_unsubscribe(URL, MAILTO).fold(policy=policy.SMTP)
    assert field == f"List-Unsubscribe: <{URL}>,\r\n <{MAILTO}>\r\n"
    url = "https://prefs.example.com/u/" + "a" * 47
    assert list_unsubscribe(url).fold(policy=policy.SMTP) == f"List-Unsubscribe:\r\n <{url}>\r\n"


def test_https_comes_first_and_mailto_may_be_left_out():
    assert list_unsubscribe(URL, MAILTO) == f"<{URL}>, <{MAILTO}>"
    assert list_unsubscribe(URL) == f"<{URL}>"


@pytest.mark.parametrize(
    ("url", "mailto"),
    [
        ("http://example.com/u/abc", None),
        (MAILTO, None),
        ("https://", None),
        ("https://example.com/u/abc\r\nBcc: b@example.org", None),
        ("https://example.com/u/a c", None),
        ("https://example.com/u/a>c", None),
        ("https://example.com/u/ä", None),
        (URL, "u+abc@example.com"),
        (URL, URL),
        (URL, "mailto:u@example.com, b@example.com"),
        (URL, ""),
    ],
)
def test_what_is_no_one_click_uri_is_not_advertised(url, mailto):
    with pytest.raises(ValueError, match="List-Unsubscribe"):
        list_unsubscribe(url, mailto)


def test_the_headers_of_a_message_are_two_and_byte_exact():
    token = seal(LinkKey(bytes(64)), Link("email", "ann@example.org"))
    headers = message_headers("https://prefs.example.com/", token, MAILTO)
    assert headers == {
        "List-Unsubscribe": f"<https://prefs.example.com/u/{token}>, <{MAILTO}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    assert isinstance(headers["List-Unsubscribe"], ListUnsubscribe)


def test_one_click_is_not_advertised_over_http():
    with pytest.raises(ValueError, match="https"):
        message_headers("http://prefs.example.com", "abc")


def test_the_mailto_carries_the_token_in_its_local_part():
    assert unsubscribe_mailto(SHORT_TOKEN, "example.com") == MAILTO


@pytest.mark.parametrize(
    ("token", "host"),
    [
        ("", "example.com"), ("a" * 63, "example.com"), ("AbC-_", "example.com"),
        ("abc", "example.com?cc=b@example.org"), ("abc", "exämple.com"), ("abc", ""),
    ],
)  # fmt: skip
def test_a_mailto_of_a_sealed_token_or_an_odd_host_is_not_made(token, host):
    with pytest.raises(ValueError, match="mailto"):
        unsubscribe_mailto(token, host)
