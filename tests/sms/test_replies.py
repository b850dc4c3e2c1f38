import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.sms.replies import DEFAULT_TEXTS, for_intent, lint_reply
from prefsvc.sms.twilio.twiml import reply

INTENTS = ["stop", "start", "help"]
BRAND = "Petite Studio NYC"
CONTACT = "help@petite-studio.example.com"

GSM7 = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)


def answer(intent, **more):
    settings = {
        "brand_name": BRAND,
        "language": "en",
        "contact": CONTACT,
        "provider_answers": False,
        "custom_texts": {},
    }
    return for_intent(intent, **(settings | more))


def words(twiml):
    root = ET.fromstring(twiml.encode())
    assert root.tag == "Response"
    assert [child.tag for child in root] in ([], ["Message"])
    return "".join(root.itertext())


def lint(text, **more):
    return lint_reply(text, **({"brand_name": BRAND, "contact": CONTACT} | more))


def test_silence_is_an_empty_response():
    assert words(reply(None)) == ""
    assert len(ET.fromstring(reply(None).encode())) == 0


def test_a_reply_is_one_message_with_its_words():
    assert words(reply("Tom & Ann's <b> “é” 🛑")) == "Tom & Ann's <b> “é” 🛑"


@given(st.text(st.characters(codec=None)))
def test_any_text_makes_readable_twiml(text):
    words(reply(text))


@pytest.mark.parametrize("language", DEFAULT_TEXTS)
@pytest.mark.parametrize("intent", INTENTS)
def test_a_default_text_is_one_segment_and_flawless(language, intent):
    text = answer(intent, language=language)
    assert len(text) <= 160
    assert set(text) <= GSM7
    assert "{" not in text
    assert lint(text) == []


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


@pytest.mark.parametrize("intent", INTENTS)
def test_where_the_provider_answers_we_are_silent(intent):
    assert answer(intent, provider_answers=True, custom_texts={intent: BRAND}) is None


@pytest.mark.parametrize("intent", ["none", "ask"])
def test_a_message_that_asks_nothing_or_is_in_doubt_is_not_answered(intent):
    assert answer(intent) is None


def test_a_brands_own_text_replaces_the_default_of_that_intent():
    own = {"stop": "{brand} is quiet now {wink} {0}. {contact}"}
    assert answer("stop", custom_texts=own) == f"{BRAND} is quiet now {{wink}} {{0}}. {CONTACT}"
    assert answer("help", custom_texts=own) == answer("help")


def test_a_brands_name_is_not_filled_in_itself():
    assert answer("stop", brand_name="{contact}").startswith("{contact}: ")


@pytest.mark.parametrize(
    "text",
    [
        "{brand}: you are unsubscribed.",
        "PETITE STUDIO NYC: done. Call toll-free +1 202 555 0123.",
        "{brand}: done. Write to {contact} or hello@example.com.",
        "{brand}: " + "é" * 287,
        "{brand} : c'est noté. Sans frais.",
    ],
)
def test_a_text_that_only_confirms_passes(text):
    assert lint(text) == []


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("You are unsubscribed.", "name the brand"),
        ("", "name the brand"),
        ("{brand}: done. https://example.com/new", "link"),
        ("{brand}: done. See WWW.example.org", "link"),
        ("{brand}: done. example.com/x", "link"),
        ("{brand}: done. Visit petite.store", "link"),
        ("{brand}: done. Last chance: 20% off", "advertises"),
        ("{brand}: done. Our SALE goes on", "advertises"),
        ("{brand}: done. Free gift with START", "advertises"),
        ("{brand}: done. $10 if you stay", "advertises"),
        ("{brand}: done. 10 € if you stay", "advertises"),
        ("{brand} : au revoir. Nos soldes continuent", "advertises"),
        ("{brand}: adiós. Más ofertas en tienda", "advertises"),
        ("{brand}: Schade. Noch 10 € Rabatt", "advertises"),
        ("{brand}: " + "x" * 288, "longer than 306"),
    ],
)
def test_a_text_that_does_more_than_confirm_is_named(text, flaw):
    assert [flaw in complaint for complaint in lint(text)] == [True]


def test_the_brands_own_name_and_contact_may_look_like_anything():
    text = "{brand}: done. Help: {contact}"
    assert lint(text, brand_name="The Gift Shop", contact="https://example.com/help") == []


def test_all_flaws_are_named_at_once():
    assert len(lint("Sale! https://example.com " + "x" * 306)) == 4


def test_answering_does_not_load_the_rest_client():
    script = "import prefsvc.sms.twilio.twiml, sys; sys.exit('twilio.rest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
