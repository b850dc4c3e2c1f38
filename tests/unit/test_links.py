import ast
import base64
import shutil
import string
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from hypothesis import given
from hypothesis import strategies as st

from prefsvc import address, links
from prefsvc.links import InvalidLink, Link, LinkKey, parted, seal, unseal, unsubscribe_url

KEY = LinkKey(bytes(range(64)))
OTHER_KEY = LinkKey(bytes(range(1, 65)))
LINK = Link(
    "email",
    "ann@example.org",
    topic="news",
    mailshot="2026-w48",
    language="de-AT",
    country="AT",
)
ALPHABET = string.ascii_letters + string.digits + "-_"


def text(octets_max):
    characters = st.characters(codec="utf-8", exclude_characters="\0")
    return st.text(characters, min_size=1).filter(lambda one: len(one.encode()) <= octets_max)


KEYS = st.one_of(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64)).map(
    LinkKey
)
LINKS = st.builds(
    Link,
    st.sampled_from(address.CHANNELS),
    text(320),
    topic=st.none() | text(64),
    mailshot=st.none() | text(64),
    language=st.none() | text(35),
    country=st.none() | st.text(string.ascii_uppercase, min_size=2, max_size=2),
)


def sealed_payload(payload, key=KEY):
    octets = key.key_id + AESSIV(key.secret).encrypt(payload, [key.key_id])
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


@given(KEYS, LINKS)
def test_a_link_is_read_as_it_was_sealed(key, link):
    token = seal(key, link)
    assert unseal(key, token) == link
    assert unseal([OTHER_KEY, key], token) == link
    assert parted(token)[0] == key.key_id


@given(KEYS, LINKS, LINKS)
def test_a_token_is_the_same_each_time_and_another_for_another_link(key, link, other):
    assert seal(key, link) == seal(key, link)
    assert (seal(key, link) == seal(key, other)) == (link == other)


@given(LINKS)
def test_another_key_cannot_read_a_token(link):
    with pytest.raises(InvalidLink):
        unseal(OTHER_KEY, seal(KEY, link))


def test_a_token_with_any_one_character_changed_is_refused():
    token = seal(KEY, LINK)
    for place, char in enumerate(token):
        for other in ALPHABET.replace(char, ""):
            with pytest.raises(InvalidLink):
                unseal(KEY, token[:place] + other + token[place + 1 :])


@given(LINKS, st.integers(min_value=0), st.integers(0, 7))
def test_a_token_with_any_one_bit_changed_is_refused(link, place, bit):
    token = seal(KEY, link)
    octets = bytearray(base64.urlsafe_b64decode(token + "=="))
    octets[place % len(octets)] ^= 1 << bit
    with pytest.raises(InvalidLink):
        unseal(KEY, base64.urlsafe_b64encode(octets).rstrip(b"=").decode())


@given(LINKS, st.text(min_size=1, max_size=4), st.integers(min_value=0))
def test_a_token_with_anything_put_in_is_refused(link, more, place):
    token = seal(KEY, link)
    place %= len(token) + 1
    with pytest.raises(InvalidLink):
        unseal(KEY, token[:place] + more + token[place:])


def test_a_token_that_lost_its_end_or_its_start_is_refused():
    token = seal(KEY, LINK)
    for kept in range(len(token)):
        with pytest.raises(InvalidLink):
            unseal(KEY, token[:kept])
        with pytest.raises(InvalidLink):
            unseal(KEY, token[kept + 1 :])


@pytest.mark.parametrize("address_", ["a@example.org", "an@example.org", "ann@example.org"])
def test_another_spelling_of_the_same_octets_is_refused(address_):
    token = seal(KEY, Link("email", address_))
    octets = base64.urlsafe_b64decode(token + "==")
    spellings = {
        base64.urlsafe_b64encode(octets).decode() + "=",  # padding, whether it is due or not
        base64.b64encode(octets).decode().rstrip("="),
        token + "\n",
        " " + token,
        token[:9] + "\r\n" + token[9:],
        token.swapcase(),
    }
    spellings |= {token[:-1] + last for last in ALPHABET}  # spare bits
    for spelling in spellings - {token}:
        with pytest.raises(InvalidLink):
            unseal(KEY, spelling)


@given(st.text())
def test_any_other_text_is_refused(token):
    with pytest.raises(InvalidLink):
        unseal([KEY, OTHER_KEY], token)


def test_a_token_of_another_key_with_the_same_id_is_still_read():
    by_id = {}
    number = 0
    while True:  # ids have 24 bits, so some thousands of keys hold a pair
        key = LinkKey(number.to_bytes(32))
        if key.key_id in by_id:
            break
        by_id[key.key_id] = key
        number += 1
    twin = by_id[key.key_id]
    assert unseal([twin, key], seal(key, LINK)) == LINK
    assert unseal([key, twin], seal(key, LINK)) == LINK


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0",  # no address
        b"\x40ann@example.org",  # a bit of a later version
        b"\x20ann@example.org",  # a country in small letters
        b"\x20A",  # a country of one letter
        b"\x20AT",  # a country and no address
        b"\x04",  # a topic without its length
        b"\x04\x00ann@example.org",  # an empty topic
        b"\x04\x20ann@example.org",  # a topic longer than what is left
        b"\x04\x41" + b"t" * 65 + b"ann@example.org",
        b"\0" + b"a" * 321,
        b"\0\xff@example.org",
        b"\0ann\0@example.org",
    ],
)
def test_a_well_sealed_payload_of_no_known_form_is_refused(payload):
    with pytest.raises(InvalidLink):
        unseal(KEY, sealed_payload(payload))


def test_an_overlong_token_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(links.base64, "urlsafe_b64decode", pytest.fail)
    with pytest.raises(InvalidLink):
        unseal(KEY, "A" * 1025)


def test_the_longest_link_fits_into_a_token():
    link = Link("email", "a" * 320, topic="t" * 64, mailshot="m" * 64, language="l" * 35)
    assert len(seal(KEY, link)) < links.TOKEN_LENGTH_MAX


def test_a_token_is_as_short_as_its_address_allows():
    assert len(seal(KEY, Link("email", "ann@example.org"))) == 47
    assert len(seal(KEY, Link("sms", "+12025550123"))) == 43
    assert len(seal(KEY, Link("sms", "+12025550123", country="US"))) == 46


@pytest.mark.parametrize(
    "fields",
    [
        {"channel": "fax", "address": "ann@example.org"},
        {"address": ""},
        {"address": "a" * 321},
        {"address": "é" * 161},
        {"address": "ann\0@example.org"},
        {"address": "\ud800@example.org"},
        {"topic": ""},
        {"topic": "t" * 65},
        {"mailshot": "m" * 65},
        {"language": "l" * 36},
        {"country": "at"},
        {"country": "AUT"},
        {"country": ""},
    ],
)
def test_a_link_that_would_not_fit_is_refused_without_showing_the_address(fields):
    with pytest.raises(ValueError) as refused:
        Link(**{"channel": "email", "address": "ann@example.org"} | fields)
    assert "example" not in str(refused.value)


@given(KEYS)
def test_a_key_is_read_as_it_was_written(key):
    assert LinkKey.parse(key.text) == key
    assert LinkKey.parse(f" {key.text}\n") == key


def test_a_key_with_any_one_character_changed_is_refused():
    for place, char in enumerate(KEY.text):
        for other in (ALPHABET + "=+/ ").replace(char, ""):
            damaged = KEY.text[:place] + other + KEY.text[place + 1 :]
            if damaged.strip() != KEY.text:
                with pytest.raises(ValueError, match="link key"):
                    LinkKey.parse(damaged)


@pytest.mark.parametrize("octets", [0, 16, 31, 33, 48, 65])
def test_a_key_of_another_length_is_refused(octets):
    with pytest.raises(ValueError, match="32 or 64"):
        LinkKey(bytes(octets))


def test_no_repr_shows_a_secret_or_an_address():
    assert repr(KEY) == str(KEY) == f"LinkKey(key_id={KEY.key_id!r})"
    assert "example" not in repr(LINK) + str(LINK)


def test_the_url_is_the_base_and_the_token():
    assert unsubscribe_url("https://prefs.example.com", "abc") == "https://prefs.example.com/u/abc"
    assert unsubscribe_url("https://example.com/p/", "abc") == "https://example.com/p/u/abc"


def test_the_module_needs_nothing_but_cryptography():
    tree = ast.parse(Path(links.__file__).read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [n.name for n in node.names]
        )
    }
    assert imported - sys.stdlib_module_names == {"cryptography"}


def test_its_channels_are_those_of_the_register():
    assert sorted(links._CHANNELS) == sorted(address.CHANNELS)


def test_a_copy_of_the_file_mints_by_itself(tmp_path):
    copy = shutil.copy(links.__file__, tmp_path / "minting.py")
    (tmp_path / "key.txt").write_text(KEY.text + "\n")
    arguments = ["@key.txt", "https://prefs.example.com", "email", "ann@example.org"]
    options = ["--topic", "news", "--mailshot", "2026-w48", "--language", "de-AT"]
    options += ["--country", "AT"]
    run = subprocess.run(
        [sys.executable, copy, *arguments, *options],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout == f"https://prefs.example.com/u/{seal(KEY, LINK)}\n"


def test_the_command_prints_a_link(capsys):
    links.main([KEY.text, "https://prefs.example.com", "sms", "+12025550123"])
    token = seal(KEY, Link("sms", "+12025550123"))
    assert capsys.readouterr().out == f"https://prefs.example.com/u/{token}\n"


def test_the_command_refuses_a_damaged_key_without_showing_it(capsys):
    damaged = KEY.text[:-1]
    with pytest.raises(SystemExit):
        links.main([damaged, "https://prefs.example.com", "email", "ann@example.org"])
    shown = capsys.readouterr()
    assert "link key" in shown.err
    assert damaged not in shown.err + shown.out
