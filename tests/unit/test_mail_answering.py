"""Which mails may be answered, and what an answer knows of them (RFC 3834)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.mail.answering import REFERENCES_MAX, Letter, letter
from prefsvc.mail.message import parse

ANN = "ann@example.org"
PLAIN = {
    "From": f"Ann <{ANN}>",
    "To": "stop@mail.acme.example.com",
    "Subject": "unsubscribe",
    "Message-ID": "<1@example.org>",
}


def read(path=ANN, **fields):
    given = PLAIN | {name.replace("_", "-"): value for name, value in fields.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value is not None)
    return letter(parse(f"{head}\r\nplease\r\n".encode()), path)


def test_what_a_person_wrote_may_be_answered_to_the_envelopes_sender():
    assert read() == Letter(ANN, "<1@example.org>")
    assert read("Ann@EXAMPLE.org") == read()
    assert read(Reply_To="bob@example.org", From="bob@example.org") == read()


def test_nothing_shows_who_wrote():
    assert "example" not in repr(read(References="<0@example.org>"))


@pytest.mark.parametrize(
    "fields",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "Auto-Generated (rejected)"},
        {"X_Autoresponder": "yes"},
        {"X_Apple_Unsubscribe": "true"},
        {"X_Auto_Response_Suppress": "All"},
        {"X_Auto_Response_Suppress": "OOF, DR"},
        {"Precedence": "bulk"},
        {"Precedence": "Junk"},
        {"Precedence": "list"},
        {"List_Id": "<talk.example.org>"},
        {"List_Unsubscribe": "<mailto:leave@example.org>"},
        {"List_Archive": "<https://example.org>"},
        {"Return_Path": "<>"},
        {"From": "MAILER-DAEMON@example.org"},
        {"From": "Do not reply <noreply@example.org>"},
        {"Subject": "Automatic reply: News"},
        {"Content_Type": "multipart/report; report-type=feedback-report; boundary=b"},
    ],
    ids=lambda fields: "-".join(f"{name}={value[:20]}" for name, value in fields.items()),
)
def test_each_sign_of_a_program_or_a_list_alone_keeps_us_silent(fields):
    assert read(**fields) is None


@pytest.mark.parametrize(
    "path",
    [
        "", "<>", "ann", "ann@localhost", "@example.org", "ann@example.org, bob@example.org",
        "josé@example.org", '"ann b"@example.org', "ann@[192.0.2.1]", "mailer-daemon@example.org",
        "Postmaster@example.org", "owner-talk@example.org", "talk-owner@example.org",
        "talk-request@example.org", "talk-bounces+ann@example.org", "bounce-123@example.org",
        "noreply@example.org", "news+ann=example.com@example.org", "prvs=1234=ann@example.org",
        "SRS0=abcd=xy=example.com=ann@example.org", "ann@example.org\r\nRCPT TO:<bob@example.org>",
    ],
)  # fmt: skip
def test_nobodys_address_is_never_answered(path):
    assert read(path) is None


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"Return_Path": f"<{ANN}>"}, ANN),
        ({"Return_Path": ANN}, ANN),
        ({}, None),
        ({"Return_Path": ""}, None),
        ({"Return_Path": "Ann"}, None),
    ],
)
def test_without_an_envelope_the_return_path_says_who_sent_it(fields, path):
    found = read(None, **fields)
    assert (found and found.return_path) == path


def test_where_there_was_an_envelope_an_older_return_path_says_nothing():
    assert read(Return_Path="<bob@example.org>") == read()


@pytest.mark.parametrize(
    ("fields", "message_id", "references"),
    [
        ({"Message_ID": None}, None, ()),
        ({"Message_ID": "none"}, None, ()),
        ({"Message_ID": "<a@b> <c@d>"}, "<a@b>", ()),
        ({"References": "<a@b> (comment) <c@d>"}, "<1@example.org>", ("<a@b>", "<c@d>")),
        ({"In_Reply_To": "<a@b>"}, "<1@example.org>", ("<a@b>",)),
        ({"In_Reply_To": "<a@b> <c@d>"}, "<1@example.org>", ()),
        ({"References": "<a@b>", "In_Reply_To": "<c@d>"}, "<1@example.org>", ("<a@b>",)),
    ],
)
def test_the_thread_is_that_of_rfc_5322(fields, message_id, references):
    found = read(**fields)
    assert (found.message_id, found.references) == (message_id, references)


def test_of_a_long_thread_the_beginning_and_the_end_are_kept():
    ids = [f"<{number}@example.org>" for number in range(50)]
    found = read(References=" ".join(ids))
    assert found.references == (ids[0], *ids[-REFERENCES_MAX + 1 :])
    assert len(found.references) == REFERENCES_MAX


@given(st.binary(max_size=400), st.none() | st.text(max_size=80))
def test_whatever_comes_no_id_or_path_could_break_a_line(raw, path):
    found = letter(parse(b"References: " + raw + b"\r\nMessage-ID: " + raw), path)
    if found is None:
        return
    for text in (found.return_path, found.message_id or "<x>", *found.references):
        assert text.isascii()
        assert text.isprintable()
        assert " " not in text


@given(st.from_regex(r"\A[<>@a-z0-9:;=?\r\n\t ._-]{0,200}\Z"))
def test_ids_are_whole_or_not_at_all(text):
    found = read(References=text.replace("\n", "\n ").replace("\r", "\r "))
    for one in found.references if found else ():
        assert one.startswith("<")
        assert one.endswith(">")
        assert not set(one[1:-1]) & set("<> \r\n\t")
