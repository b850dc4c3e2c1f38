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
    """What it takes to read, the best of three, for the machine does other things, too."""
    read(b"stop")  # the tables are read
    taken = []
    for _ in range(3):
        before = time.process_time()
        attempt(raw)
        taken.append(time.process_time() - before)
    return min(taken)


@pytest.mark.parametrize("name", FLOODS)
def test_a_megabyte_takes_less_than_a_second(name):
    assert seconds(FLOODS[name](MEGABYTE)) < 1


@pytest.mark.parametrize("name", FLOODS)
def test_twice_a_message_takes_no_more_than_about_twice_as_long(name):
    half, whole = FLOODS[name](MEGABYTE // 4), FLOODS[name](MEGABYTE // 2)
    assert seconds(whole) < 3 * seconds(half) + 0.02


@pytest.mark.parametrize("name", ["base64 that is none", "half fields", "folds", "zero octets"])
def test_the_largest_message_takes_as_long_as_what_is_read_of_it(name):
    assert seconds(FLOODS[name](OCTETS_MAX)) < 5


@pytest.mark.parametrize("file", FOUND, ids=lambda file: file.name)
def test_what_fuzzing_found_is_read(file):
    assert seconds(file.read_bytes()) < 1


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
