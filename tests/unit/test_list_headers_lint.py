import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.list_headers import lint

URL = "https://prefs.example.com/u/abc"
MAILTO = "mailto:u+abc@example.com?subject=unsubscribe"
POST = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
GOOD = f"List-Unsubscribe: <{URL}>,\r\n <{MAILTO}>\r\n{POST}"
SIGNED = (
    "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=x; b=abc=;\r\n"
    " h=From:To:{}:\r\n\tList-Unsubscribe-Post; bh=abc=\r\n"
)


@pytest.mark.parametrize(
    "head",
    [
        GOOD,
        GOOD.replace("\r\n", "\n"),
        GOOD.replace("List-Unsubscribe:", "LIST-UNSUBSCRIBE:"),
        GOOD.replace("Post: ", "Post:"),
        GOOD.replace("abc>", "abc?a=?b>"),
        SIGNED.format("LIST-UNSUBSCRIBE") + GOOD,
        SIGNED.format("Subject") + SIGNED.format("List-Unsubscribe") + GOOD,
    ],
)
def test_a_message_with_sound_headers_has_no_findings(head):
    assert lint(f"From: a@example.org\r\n{head}\r\nHello\r\n".encode()) == []
    assert lint(head.encode()) == []


@pytest.mark.parametrize(
    ("head", "finding"),
    [
        ("", "List-Unsubscribe is missing"),
        (f"List-Unsubscribe: <{URL}>\r\n", "List-Unsubscribe-Post is missing"),
        (GOOD + f"List-Unsubscribe: <{URL}>\r\n", "List-Unsubscribe occurs 2 times"),
        (GOOD + POST.lower(), "List-Unsubscribe-Post occurs 2 times"),
        (GOOD.replace(f"<{URL}>", "=?utf-8?q?=3Chttps?="), "RFC 2047"),
        (GOOD.replace("https", "http"), "http URI"),
        (GOOD.replace("https", "http"), "0 https URIs"),
        (GOOD.replace(MAILTO, URL), "2 https URIs"),
        (GOOD.replace(URL, "x:y").replace(MAILTO, URL), "before the https one"),
        (GOOD.replace("/u/", "/\r\n u/"), "line break inside its brackets"),
        (GOOD.replace("/u/", "/ u/"), "white space"),
        (GOOD.replace("<", ""), "no URI in angle brackets"),
        (GOOD.replace(f"{MAILTO}>", f"{MAILTO}> by mail"), "something else behind a URI"),
        (GOOD.replace(f"<{URL}", f"<<{URL}"), "no URI in angle brackets"),
        (GOOD.replace("abc", "ä"), "not ASCII"),
        (GOOD.replace("abc", "a" * 1000), "more than 998 octets"),
        (GOOD.replace("One-Click", "one-click"), "not exactly"),
        (GOOD.replace("One-Click", "One-Click "), "not exactly"),
        (GOOD.replace("One-Click", "One-\r\n Click"), "not exactly"),
        (GOOD.replace("Post: ", "Post:  "), "not exactly"),
        (GOOD + SIGNED.format("Subject"), "No DKIM signature"),
        (GOOD + "DKIM-Signature: nonsense\r\n", "No DKIM signature"),
    ],
)
def test_what_would_hide_the_one_click_is_found(head, finding):
    findings = lint(f"From: a@example.org\r\n{head}\r\n{GOOD}".encode())
    assert any(finding in one for one in findings), findings


@given(st.binary(max_size=200))
def test_the_lint_of_any_octets_ends_with_findings(raw):
    assert lint(raw)


@pytest.mark.parametrize("char", [b"<", b"(", b" ", b"\n", b"\r\n ", b"=", b";", b"\\", b":"])
def test_the_lint_of_a_hostile_message_ends(char):
    assert lint(b"List-Unsubscribe: " + char * 100_000 + b"<" + char * 100_000)
    assert lint(b"DKIM-Signature: h=" + char * 100_000)
