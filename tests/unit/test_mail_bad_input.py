import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefsvc.mail import OCTETS_MAX, read
from prefsvc.mail.hypertext import plain_text
from prefsvc.mail.message import parse
from prefsvc.mail.reply import own_words
from tests.unit.mail.attempt import attempt
from tests.unit.mail.floods import FLOODS
from tests.unit.mail.letters import ANN, letter, multipart
from tests.unit.mail.seeds import FRAGMENTS, WHOLE

MEGABYTE = 2**20
FOUND = sorted((Path(__file__).parent / "mail" / "found").glob("*.eml"))  # by `make mail-fuzz`


@given(st.binary(max_size=2000))
def test_any_octets_are_read(raw):
    attempt(raw)


@settings(max_examples=400)
@given(st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=20)), max_size=30))
def test_any_pieces_of_messages_are_read(pieces):
    attempt(b"".join(pieces))


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_words_are_read(subject, body):
    raw = letter(
        body.encode("utf-8", "replace").decode(),
        " ".join(subject.encode("utf-8", "replace").decode().split()),
    )
    attempt(raw)
    attempt(raw.replace(b"text/plain", b"text/html"))


@given(st.sampled_from(WHOLE), st.data())
def test_any_damage_to_a_message_is_read(raw, data):
    at = data.draw(st.integers(0, len(raw)))
    length = data.draw(st.integers(0, 40))
    attempt(raw[:at] + data.draw(st.binary(max_size=10)) + raw[at + length :])


def seconds(raw):
    """What it takes to read a mail, apart from what else the machine does."""
    read(b"stop")  # the tables are read
    before = time.process_time()
    read(raw)
    return time.process_time() - before


def holds(claim):
    """Whether a claim about time holds; a machine that is busy may be asked three times."""
    return any(claim() for _ in range(3))


@pytest.mark.parametrize("name", FLOODS)
def test_a_megabyte_takes_less_than_a_second(name):
    raw = FLOODS[name](MEGABYTE)
    attempt(raw)
    assert holds(lambda: seconds(raw) < 1)


@pytest.mark.parametrize("name", FLOODS)
def test_twice_a_message_takes_no_more_than_about_twice_as_long(name):
    half, whole = FLOODS[name](MEGABYTE // 8), FLOODS[name](MEGABYTE // 4)
    assert holds(lambda: seconds(whole) < 3 * seconds(half) + 0.02)


@pytest.mark.parametrize("name", ["half fields", "folds"])
def test_the_largest_message_takes_as_long_as_what_is_read_of_it(name):
    raw = FLOODS[name](OCTETS_MAX)
    assert holds(lambda: seconds(raw) < 4)


def test_what_fuzzing_found_is_read():
    for file in FOUND:
        attempt(file.read_bytes())
        assert seconds(file.read_bytes()) < 1, file.name


def test_ten_times_a_message_takes_no_longer_than_what_is_read_of_it():
    read(b"stop")
    raw = letter("please unsubscribe me\n") + b"x" * 20 * MEGABYTE
    before = time.process_time()
    assert read(raw).outcome == "opt_out"
    assert time.process_time() - before < 1


def test_a_request_before_a_bomb_is_still_found():
    part = "Content-Type: text/plain\n\nplease unsubscribe me"
    bomb = FLOODS["nested multiparts"](100_000).decode()
    raw = multipart(part, bomb, head=f"From: {ANN}\n")
    assert (read(raw).outcome, read(raw).address) == ("opt_out", ANN)


def test_unclosed_html_is_read_to_its_end():
    assert plain_text("<div><p>one<p>two<br>three</b></i></div></div>four").split() == [
        "one", "two", "three", "four"
    ]  # fmt: skip
    assert own_words(parse(letter("<b>stop<!-- x", kind="text/html"))) == "stop"
