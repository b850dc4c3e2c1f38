import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict, MultiDictProxy

from prefsvc.sms.twilio.form import PARAMETERS_MAX, parse_form
from prefsvc.sms.twilio.signature import is_signed_by
from tests.sms.twilio_client import SHARED_KEY, signed, signed_by_shared_key, sms

TOKEN = "a-token-of-the-tests"
URL = "https://stop.example.com/hooks/twilio/petite-studio"


def signature(url=URL, form=None, token=TOKEN):
    return signed(url, form or {}, token)["X-Twilio-Signature"]


def is_signed(url=URL, *, form=None, body=b"", by=(TOKEN,), signature=None, settings=None):
    form = None if form is None else MultiDict(form)
    return is_signed_by(
        by, url=url, form=form, body=body, signature=signature, signature_settings=settings
    )


def test_a_message_signed_by_twilio_is_signed():
    form = sms("Stop ✋ + “é”")
    assert is_signed(form=form, signature=signature(form=form))


def test_a_read_only_form_is_read_too():
    form = sms()
    view = MultiDictProxy(MultiDict(form))
    assert is_signed_by([TOKEN], url=URL, form=view, body=b"x", signature=signature(form=form))


@pytest.mark.parametrize("header", [None, "", " ", "fake", "ÿ", "\ud800", "=" * 28, "a" * 65536])
def test_a_missing_or_broken_signature_signs_nothing(header):
    assert not is_signed(form=sms(), signature=header)


def test_two_signatures_in_one_header_sign_nothing():
    form = sms()
    right = signature(form=form)
    assert not is_signed(form=form, signature=f"{right}, {right}")
    assert not is_signed(form=form, signature=f"{right},fake")


def test_every_character_of_the_signature_counts():
    form = sms()
    right = signature(form=form)
    for place, character in enumerate(right):
        other = "A" if character != "A" else "B"
        assert not is_signed(form=form, signature=right[:place] + other + right[place + 1 :])
        assert not is_signed(form=form, signature=right[:place])


def test_an_edited_parameter_breaks_the_signature():
    form = sms()
    right = signature(form=form)
    for name, value in form.items():
        assert not is_signed(form=form | {name: value + "1"}, signature=right), name
        if value:
            left = {n: v for n, v in form.items() if n != name}
            assert not is_signed(form=left, signature=right), name


def test_an_added_parameter_breaks_the_signature():
    form = sms()
    assert not is_signed(form=form | {"OptOutType": "START"}, signature=signature(form=form))


def test_parameters_unknown_today_are_signed_too():
    form = sms(NewThing="of tomorrow")
    assert is_signed(form=form, signature=signature(form=form))


def test_another_url_breaks_the_signature():
    form = sms()
    right = signature(form=form)
    for other in (
        URL + "/",
        URL + "?x=1",
        URL.replace("petite", "grande"),
        URL.replace("https", "http"),
        URL.replace("example.com", "example.org"),
    ):
        assert not is_signed(other, form=form, signature=right), other


def test_either_of_two_tokens_signs():
    form = sms()
    for token in ("primary", "secondary"):
        made = signature(form=form, token=token)
        assert is_signed(form=form, signature=made, by=iter(["primary", "secondary"]))
        assert not is_signed(form=form, signature=made, by=["third"])


@pytest.mark.parametrize("by", [[], [""], ["", " "]])
def test_no_token_or_an_empty_one_signs_nothing(by):
    form = sms()
    for token in ("", " "):
        assert not is_signed(form=form, signature=signature(form=form, token=token), by=by)


def test_blank_and_repeated_parameters_are_signed():
    form = MultiDict([("Body", ""), ("From", "b"), ("From", "a"), ("From", "a"), ("To", "x")])
    right = signature(form=form)
    assert is_signed(form=form, signature=right)
    assert is_signed(
        form=[("From", "a"), ("To", "x"), ("From", "b"), ("Body", "")], signature=right
    )
    assert not is_signed(form=[("Body", ""), ("From", "a"), ("To", "x")], signature=right)


@pytest.mark.parametrize(
    "tail",
    [
        *("%7Ea", "a%2Bb", "a%2fb", "a+b", "caf%c3%a9", "?a=1&b", "?b=1&a=2", "?a='b'", "?a=%27b"),
        *(
            "?",
            "?a=1&a=1",
            "?q=a+b%20c",
            "'",
            '"',
            "//",
            "?x=%zz",
            ";v=1",
            "?;",
            "?a=%3A%40",
            "?a=:@",
        ),
    ],
)
def test_the_raw_url_is_signed_byte_for_byte(tail):
    form = sms()
    url = f"{URL}/{tail}"
    assert is_signed(url, form=form, signature=signature(url, form))


@pytest.mark.parametrize("host", ["example.com", "203.0.113.7", "[2001:db8::1]"])
@pytest.mark.parametrize("login", ["", "user@", "user:pass@", "user:p:a@ss@", "user:[x]@"])
@pytest.mark.parametrize("rest", ["", "/hook", "/hook?a=b:1@c", "?a=1"])
@pytest.mark.parametrize(("scheme", "standard"), [("https", ":443"), ("http", ":80")])
def test_a_port_may_be_left_out_or_added_by_twilio(scheme, standard, login, host, rest):
    form = sms()
    bare, ported, other = (f"{scheme}://{login}{host}{p}{rest}" for p in ("", standard, ":8443"))
    for called, made in [(bare, ported), (ported, bare), (other, bare), (other, other)]:
        assert is_signed(called, form=form, signature=signature(made, form)), (called, made)
    for called, made in [(bare, other), (ported, other), (other, ported)]:
        assert not is_signed(called, form=form, signature=signature(made, form)), (called, made)


@pytest.mark.parametrize(
    ("called", "made"),
    [("?Body=It's", "?Body=It%27s"), ("?Body=It%27s", "?Body=It's"), ("?a=%40%3a%3A", "?a=@::")],
)
def test_a_query_may_be_escaped_in_two_ways(called, made):
    form = sms()
    assert is_signed(URL + called, form=form, signature=signature(URL + made, form))


def test_an_escape_that_would_mean_something_else_is_not_undone():
    form = sms()
    for called, made in [("?a=%26b", "?a=&b"), ("?a=%2B", "?a=+"), ("?a=1&b=2", "?b=2&a=1")]:
        assert not is_signed(URL + called, form=form, signature=signature(URL + made, form))


def test_connection_overrides_in_the_fragment_are_not_signed():
    form = sms()
    assert is_signed(URL + "#rc=3&rp=ct,rt", form=form, signature=signature(form=form))
    url = hashed(JSON)
    assert is_signed(url + "#rc=3", body=JSON, signature=signature(url))


JSON = b'{"property": "value", "boolean": true}'


def hashed(body, url=URL):
    return f"{url}?bodySHA256={hashlib.sha256(body).hexdigest()}"


def test_a_json_body_is_signed_by_its_hash():
    url = hashed(JSON)
    assert is_signed(url, body=JSON, signature=signature(url))
    assert not is_signed(url, body=JSON + b" ", signature=signature(url))
    assert not is_signed(url, body=b"", signature=signature(url))


def test_a_body_of_any_bytes_is_signed_by_its_hash():
    body = bytes(range(256))
    url = hashed(body)
    assert is_signed(url, body=body, signature=signature(url))


def test_a_json_body_without_a_hash_is_not_signed():
    assert not is_signed(body=JSON, signature=signature())
    blank = URL + "?bodySHA256="
    assert not is_signed(blank, body=JSON, signature=signature(blank))


@pytest.mark.parametrize("digest", ["0", "é", "%FF", "%00", "\ud800", "0" * 64])
def test_a_false_hash_signs_nothing(digest):
    url = f"{URL}?bodySHA256={digest}"
    made = signature(url) if digest != "\ud800" else signature()
    assert not is_signed(url, body=JSON, signature=made)


def test_two_hashes_sign_nothing():
    url = hashed(JSON) + "&bodySHA256=" + "0" * 64
    assert not is_signed(url, body=JSON, signature=signature(url))


def test_a_form_beside_a_hash_must_match_it_too():
    form, body = {"From": "a"}, b"From=a"
    url = hashed(body)
    assert is_signed(url, form=form, body=body, signature=signature(url, form))
    assert not is_signed(url, form=form, body=b"From=b", signature=signature(url, form))


def test_an_empty_body_is_signed_by_its_url():
    assert is_signed(body=b"", signature=signature())
    assert is_signed(form={}, body=b"", signature=signature())


@pytest.mark.parametrize("form", [None, {}])
def test_a_body_that_no_parameter_covers_is_not_signed(form):
    assert not is_signed(form=form, body=b"--x\r\nbroken", signature=signature())


def test_a_form_read_from_too_many_parameters_is_not_signed():
    body = b"&".join(b"p%d=" % n for n in range(PARAMETERS_MAX + 1))
    assert not is_signed(form=parse_form(body), body=body, signature=signature())
    many = {f"p{n}": "" for n in range(PARAMETERS_MAX + 1)}
    assert not is_signed(form=many, body=body, signature=signature(form=many))


def test_an_uploaded_file_is_not_signed():
    assert not is_signed(form={"Body": object()}, body=b"x", signature=signature())


def test_a_lone_surrogate_is_not_signed():
    form = sms("\ud800")
    assert not is_signed(form=form, body=b"x", signature=signature())
    assert not is_signed(URL + "?a=\ud800", signature=signature())


def test_a_token_that_cannot_be_encoded_leaves_the_others_good():
    assert is_signed(by=["\ud800", TOKEN], signature=signature())
    assert not is_signed(by=["\ud800"], signature=signature())


def sha_256(url=URL, form=None, secret=TOKEN):
    said = url + "".join(name + value for name, value in sorted((form or {}).items()))
    return base64.b64encode(hmac.digest(secret.encode(), said.encode(), "sha256")).decode()


def test_a_shared_key_signs_with_sha_256():
    form, url = sms("Stop ✋"), hashed(JSON)
    assert signed_by_shared_key(URL, form, TOKEN)["X-Twilio-Signature"] == sha_256(form=form)
    assert is_signed(form=form, signature=sha_256(form=form), settings=SHARED_KEY)
    assert is_signed(url, body=JSON, signature=sha_256(url), settings=SHARED_KEY)
    assert not is_signed(url, body=JSON + b" ", signature=sha_256(url), settings=SHARED_KEY)
    other = sha_256(form=form, secret="another")
    assert not is_signed(form=form, signature=other, settings=SHARED_KEY)


def test_a_port_may_be_left_out_under_a_shared_key_too():
    form, ported = sms(), URL.replace(".com", ".com:443")
    assert is_signed(ported, form=form, signature=sha_256(form=form), settings=SHARED_KEY)
    assert is_signed(form=form, signature=sha_256(ported, form), settings=SHARED_KEY)


@pytest.mark.parametrize("settings", [None, "", "key=k", "algorithm=", "algorithm=HMAC_SHA1"])
def test_without_another_algorithm_it_is_sha_1(settings):
    form = sms()
    assert is_signed(form=form, signature=signature(form=form), settings=settings)
    assert not is_signed(form=form, signature=sha_256(form=form), settings=settings)


@pytest.mark.parametrize(
    "algorithm",
    ["HMAC_SHA256", "HMAC_MD5", "SHA256", "none", "é", "\ud800", "HMAC_SHA1;", "x" * 9999],
)
def test_under_another_algorithm_a_sha_1_is_no_signature(algorithm):
    form, settings = sms(), f"key=k,algorithm={algorithm}"
    assert not is_signed(form=form, signature=signature(form=form), settings=settings)
    if algorithm != "HMAC_SHA256":
        assert not is_signed(form=form, signature=sha_256(form=form), settings=settings)


def test_comparison_takes_constant_time(monkeypatch):
    compared = []

    def watched(a, b):
        compared.append((a, b))
        return real(a, b)

    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", watched)
    form, url = sms(), hashed(b"x")
    right = signature(url, form)
    assert is_signed(url, form=form, body=b"x", signature=right)
    assert (right, right) in compared
    assert any(hashlib.sha256(b"x").hexdigest().encode() in pair for pair in compared)


ANY_TEXT = st.text(st.characters(codec=None), max_size=60)
URLS = st.one_of(
    ANY_TEXT,
    st.builds(
        "{}://{}/{}".format,
        st.sampled_from(["https", "http", "HTTPS", "ftp"]),
        st.text("ab.:@[]%0123456789", max_size=20),
        st.text("ab?&=%'#;:@bodySHA256\ud800é\n", max_size=40),
    ),
)


HEADERS = st.text("abcXYZ+/=", min_size=1, max_size=28) | ANY_TEXT
FORMS = st.none() | st.lists(st.tuples(ANY_TEXT, ANY_TEXT), max_size=8)


SETTINGS = st.none() | st.text("key=algorithm,HMAC_SHA1256 ", max_size=60) | ANY_TEXT


@given(URLS, FORMS, st.just(b"") | st.binary(), ANY_TEXT, st.tuples(HEADERS, SETTINGS))
def test_no_request_of_any_shape_raises_or_is_signed(url, form, body, token, headers):
    made, named = headers
    assert not is_signed(url, form=form, body=body, by=[token], signature=made, settings=named)


STORABLE = st.text(st.characters(codec="utf-8"), max_size=30)


@given(
    st.text("ab?&=%'#;:@[]/é\n\r\t ", max_size=40),
    st.lists(st.tuples(STORABLE, STORABLE), min_size=1, max_size=8),
)
def test_whatever_twilio_signs_is_signed(tail, form):
    url = URL + tail
    made = signature(url.partition("#")[0], MultiDict(form))
    assert is_signed(url, form=form, body=b"x", signature=made)
