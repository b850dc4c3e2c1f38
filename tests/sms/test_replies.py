import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.brand.sms import reply_text, segments
from prefsvc.sms.replies import DEFAULT_TEXTS, text_for
from prefsvc.sms.twilio.twiml import reply

OUTCOMES = ["stop", "start", "start_again", "help"]
BRAND = "Petite Studio NYC"
CONTACT = "help@petite-studio.example.com"


def answer(outcome, **more):
    settings = {
        "brand_name": BRAND,
        "language": "en",
        "contact": CONTACT,
        "provider_answers": False,
        "custom_texts": {},
    }
    return text_for(outcome, **(settings | more))


def words(twiml):
    root = ET.fromstring(twiml.encode())
    assert root.tag == "Response"
    assert [child.tag for child in root] in ([], ["Message"])
    return "".join(root.itertext())


def test_silence_is_an_empty_response():
    assert words(reply(None)) == ""
    assert len(ET.fromstring(reply(None).encode())) == 0


def test_a_reply_is_one_message_with_its_words():
    assert words(reply("Tom & Ann's <b> “é” 🛑")) == "Tom & Ann's <b> “é” 🛑"


@given(st.text(st.characters(codec=None)))
def test_any_text_makes_readable_twiml(text):
    words(reply(text))


@pytest.mark.parametrize("language", DEFAULT_TEXTS)
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_default_text_is_one_segment_and_as_a_brands_own_must_be(language, outcome):
    text = answer(outcome, language=language)
    assert len(text) <= 160
    assert segments(text) == 1
    assert "{" not in text
    kind = "start" if outcome == "start_again" else outcome
    assert reply_text(kind, brand_name=BRAND, contact=CONTACT)(text) == text


@pytest.mark.parametrize("language", DEFAULT_TEXTS)
def test_who_crossed_a_stop_is_told_to_send_start_once_more(language):
    text = answer("start_again", language=language)
    assert "START" in text.rpartition("STOP")[2]


@pytest.mark.parametrize("language", DEFAULT_TEXTS)
def test_stopping_and_help_say_whom_to_ask(language):
    for intent in ("stop", "help"):
        assert CONTACT in answer(intent, language=language)
    for intent in ("start", "help"):
        assert "STOP" in answer(intent, language=language)


@pytest.mark.parametrize(
    ("language", "same_as"),
    [("fr-CA", "fr"), ("es_MX", "es"), ("DE", "de"), ("en-GB", "en"), ("ja", "en"), ("", "en")],
)
def test_a_language_without_texts_falls_back(language, same_as):
    assert answer("stop", language=language) == answer("stop", language=same_as)


def test_languages_differ():
    assert len({answer("stop", language=language) for language in DEFAULT_TEXTS}) == 4


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_where_the_provider_answers_we_are_silent(outcome):
    assert answer(outcome, provider_answers=True, custom_texts={outcome: BRAND}) is None


def test_where_there_is_nothing_to_say_we_are_silent():
    assert answer(None) is None


def test_a_brands_own_text_replaces_the_default_of_that_outcome():
    own = {"stop": "{brand} is quiet now {wink} {0}. {contact}"}
    assert answer("stop", custom_texts=own) == f"{BRAND} is quiet now {{wink}} {{0}}. {CONTACT}"
    assert answer("help", custom_texts=own) == answer("help")


def test_a_brands_name_is_not_filled_in_itself():
    assert answer("stop", brand_name="{contact}").startswith("{contact}: ")


def test_answering_does_not_load_the_rest_client():
    script = "import prefsvc.sms.twilio.twiml, sys; sys.exit('twilio.rest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
