import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.mail import addresses, charsets
from prefsvc.mail.message import DEPTH_MAX, FIELDS_MAX, PARTS_MAX, enclosed, parse
from tests.unit.mail.letters import ANN, BOB, multipart


def test_fields_are_unfolded_and_a_wrong_fold_continues_the_one_before():
    message = parse(b"Subject: please\r\n\tremove\r\nme\nX-Odd : yes\nTo: a@b.c\n\nbody")
    assert message.words("subject") == "please remove me"
    assert (message.first("x-odd"), message.first("to"), message.text) == ("yes", "a@b.c", "body")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_ends_a_line(end):
    message = parse(f"Subject: hi{end}To: {ANN}{end}{end}one{end}two".encode())
    assert (message.words("subject"), message.text) == ("hi", "one\ntwo")


@pytest.mark.parametrize(
    "before",
    [b"", b"\r\n\n", b"\xef\xbb\xbf", b"From ann Mon May  6 10:12:00 2024\n", b">From x\n"],
)
def test_what_stands_before_the_header_is_skipped(before):
    assert parse(before + b"Subject: hi\n\nbody").words("subject") == "hi"


def test_a_text_without_a_header_is_all_body():
    assert parse(b"please remove me\nthanks").text == "please remove me\nthanks"
    assert parse(b"Subject: hi").words("subject") == "hi"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("=?utf-8?q?D=C3=A9sinscription?=", "Désinscription"),
        ("=?UTF-8?B?RMOpc2luc2NyaXB0aW9u?=", "Désinscription"),
        ("=?iso-8859-1*fr?q?D=E9sinscription?=", "Désinscription"),
        ("=?utf-8?b?YUTD?= =?utf-8?b?qQ==?=", "aDé"),
        ("=?utf-8?q?D=C3?=\n =?utf-8?q?=A9sinscription?=", "Désinscription"),
        ("=?utf-8?q?stop_it?= now", "stop it now"),
        ("=?no-such?q?stop?=", "stop"),
        ("=?utf-8?b?####?=", ""),
        ("=?utf-8?q?stop", "=?utf-8?q?stop"),
        ("=?iso-2022-jp?B?GyRCR1s/LkRkO18bKEI=?=", "配信停止"),
        ("Désinscription", "Désinscription"),
    ],
)
def test_encoded_words_are_read_however_they_were_cut(written, said):
    assert parse(f"Subject: {written}\n\n".encode()).words("subject") == said


@pytest.mark.parametrize(
    ("octets", "charset", "text"),
    [
        ("Grüße".encode(), "utf-8", "Grüße"),
        ("Grüße".encode("latin-1"), "utf-8", "Grüße"),
        ("Grüße".encode("latin-1"), "us-ascii", "Grüße"),
        ("Grüße".encode("latin-1"), None, "Grüße"),
        ("Grüße".encode(), "no-such-charset", "Grüße"),
        ("退订".encode("gb18030"), "gb2312", "退订"),
        ("수신거부".encode("cp949"), "ks_c_5601-1987", "수신거부"),
        ("配信".encode("cp932"), "Shift_JIS", "配信"),
        ("Grüße".encode("utf-7"), "unicode-1-1-utf-7", "Grüße"),
        (b"abc", "rot13", "abc"),
        (b"abc-", "punycode", "abc-"),
        (b"abc", "idna", "abc"),
        (b"abc", "\0", "abc"),
        (b"a\0b", "utf-8", "a\ufffdb"),
        (b"+2AA-", "utf-7", "\ufffd"),
    ],
)
def test_octets_are_decoded_as_they_look_where_the_charset_lies(octets, charset, text):
    assert charsets.decoded(octets, charset) == text


@given(st.binary(max_size=100))
def test_base64_is_read_as_far_as_it_goes(octets):
    encoded = base64.b64encode(octets)
    assert charsets.of_base64(encoded) == octets
    assert charsets.of_base64(b"\n ! ".join(encoded[n : n + 5] for n in range(0, 200, 5))) == octets
    charsets.of_base64(octets)


@pytest.mark.parametrize("encoding", ["base64", "BASE64 ", "quoted-printable"])
def test_transfer_encodings_are_undone(encoding):
    body = base64.b64encode(b"stop=it") if encoding.lower().startswith("b") else b"stop=3Di=\nt"
    head = f"Content-Transfer-Encoding: {encoding}\n\n".encode()
    assert parse(head + body).text == "stop=it"


def test_parts_nest_as_deep_as_they_are_read_and_no_deeper():
    message = b"Content-Type: text/plain\n\nstop"
    for _ in range(DEPTH_MAX + 5):
        boundary = b"b%d" % len(message)
        head = b"Content-Type: multipart/mixed; boundary=" + boundary
        message = head + b"\n\n--" + boundary + b"\n" + message + b"\n--" + boundary + b"--\n"
    assert len(list(parse(message).walk())) == DEPTH_MAX + 1


def test_no_more_than_some_parts_and_fields_are_read():
    assert len(parse(multipart(*["\nx"] * 500)).parts) == PARTS_MAX
    assert len(parse(b"X: y\n" * 5000).fields) == FIELDS_MAX


def test_an_enclosed_message_is_one_part_until_it_is_opened():
    message = parse(multipart(f"Content-Type: message/rfc822\n\nTo: {ANN}\n\n--b\nx"))
    [part, *_] = message.parts
    assert part.parts == ()
    assert enclosed(part).first("to") == ANN


def test_a_multipart_without_its_boundary_is_text():
    for kind in ("multipart/mixed", "multipart/mixed; boundary=", 'multipart/mixed; boundary="x"'):
        message = parse(f"Content-Type: {kind}\n\nstop".encode())
        assert (message.parts, message.text) == ((), "stop")


@pytest.mark.parametrize(
    ("field", "found"),
    [
        (ANN, [ANN]),
        (f"Ann <{ANN}>, {BOB}", [ANN, BOB]),
        (f'"Ann, the <first>" <{ANN}>; {BOB}', [ANN, BOB]),
        (f"{ANN} (write to <{BOB}>)", [ANN]),
        (f"<{ANN}", [ANN]),
        (f"friends: {ANN}, {BOB};", [ANN, BOB]),
        ("undisclosed-recipients:;", []),
        (f"<@relay.example.net:{ANN}>", [ANN]),
        ('"odd local"@example.org', ['"odd local"@example.org']),
        ("=?utf-8?q?bob=40example.org?=", []),
        ("", []),
        ('"', []),
    ],
)
def test_addresses_are_told_from_names_comments_and_groups(field, found):
    assert addresses.listed(field) == found


@pytest.mark.parametrize(
    "local", ["u+short", "x+" + "a" * 31, "u+" + "a" * 26, "u+" + "a" * 40 + ".b", "u" + "a" * 31]
)
def test_what_has_not_the_form_of_a_token_is_none(local):
    assert addresses.tokens_of([f"{local}@stop.example.com"]) == []


@pytest.mark.parametrize("local", ["u+{}", "U+{}", "u%2B{}", "u {}", '"u+{}"'])
def test_a_token_is_found_however_its_plus_sign_fared(local):
    token = "a2" * 15 + "b"
    assert addresses.tokens_of([f"{local.format(token)}@stop.example.com"]) == [token]
