from collections import Counter

import pytest

from prefsvc.intent import decide
from prefsvc.intent.language import languages
from tests.unit.intent.report import REPLIES, replies

FILES = {name: list(replies(name)) for name in REPLIES}
LANGUAGES = {
    *("en", "es", "fr", "de", "pt", "it", "nl", "pl", "sv", "no", "da", "fi", "tr", "vi", "ja"),
    *("ko", "zh", "ar", "he", "hi", "ru"),
}

any_file = pytest.mark.parametrize("texts", FILES.values(), ids=FILES)


def share(texts, accepted):
    return sum(decide(sample.text).intent in accepted for sample in texts) / len(texts)


SPOKEN = sorted({(name, language) for name in REPLIES for language, _ in FILES[name]})


def test_every_language_was_tried_three_times_and_english_in_every_file():
    tried = Counter(language for _, language in SPOKEN)
    assert set(tried) == LANGUAGES
    assert min(tried.values()) == 3
    assert tried["en"] == len(REPLIES)


@pytest.mark.parametrize(("name", "language"), SPOKEN)
def test_who_asks_to_stop_is_heard(name, language):
    asking = [one for spoken, one in FILES[name] if spoken == language and one.right == ("stop",)]
    assert share(asking, {"stop"}) > 0.94
    assert share(asking, {"stop", "ask"}) > 0.98


@any_file
def test_who_leaves_it_open_is_seldom_passed_over(texts):
    open_ones = [one for _, one in texts if one.right == ("ask", "stop")]
    assert not open_ones or share(open_ones, {"ask", "stop"}) > 0.93


@any_file
def test_an_ordinary_text_stops_nothing_and_seldom_takes_a_persons_time(texts):
    ordinary = [one for _, one in texts if "none" in one.right]
    assert [one.text for one in ordinary if decide(one.text).intent == "stop"] == []
    assert share(ordinary, {"ask"}) <= 0.05


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        *(("stop texting me", "channel"), ("Remove me from your list", "channel")),
        *(("stop the offers", "offers"), ("no more promotions please", "promotions")),
        *(("stop sending me surveys", "surveys"), ("stop the offers. stop texting me", "channel")),
        *(("stop all messages", "everything"), ("Cease all communication", "everything")),
        *(("take me off all your lists", "everything"), ("stop everything", "everything")),
    ],
)
def test_the_scope_is_what_the_text_says(text, scope):
    decision = decide(text)
    assert (decision.intent, decision.scope) == ("stop", scope)


def test_a_wrong_number_is_asked_about_or_stopped_as_the_brand_chose():
    for text in ("Wrong number", "sorry you have the wrong number", "Falsche Nummer"):
        assert decide(text).intent == "ask"
        assert decide(text, wrong_number="stop").intent in {"ask", "stop"}
    assert decide("you have the wrong number", wrong_number="stop").intent == "stop"
    assert decide("Not Hector", wrong_number="stop").intent == "stop"
    assert decide("who is this", wrong_number="stop").intent == "ask"


@pytest.mark.parametrize(
    "text", ["stop, you have the wrong number", "Stop i dont know you", "STOP who is this"]
)
def test_stop_with_a_doubtful_reason_beside_it_is_a_stop(text):
    assert decide(text).intent == "stop"


def test_stop_in_capitals_before_other_words_is_asked_about():
    assert decide("STOP sending out the rebate forms to Pat").intent == "ask"


def test_a_common_word_of_another_language_is_no_other_business():
    assert {"time", "vous", "lot"}.isdisjoint(languages().business)


def test_a_request_about_other_business_stops_no_texts():
    assert decide("My card was stolen. Please stop it right away").intent == "ask"
    assert decide("I cancelled my order. Stop texting me").intent == "stop"


@pytest.mark.parametrize(
    "text",
    [
        *("STOP texting me about my order", "Please stop. I already cancelled my account"),
        *("cancel subscription", "stop texting about my appointment", "unsubscribe my account"),
        *("Stop. Ya cancelé mi cuenta", "Stop. J'ai déjà fermé mon compte"),
        *("Stop. Ich habe mein Konto schon gelöscht", "Pare. Já cancelei minha conta"),
        *("Basta. Ho già cancellato il mio account", "annuler mon abonnement"),
        "Hören Sie auf mir SMS wegen meiner Bestellung zu schicken",
    ],
)
def test_other_business_takes_nothing_from_a_plain_request(text):
    assert decide(text).intent == "stop"


@pytest.mark.parametrize(
    "text", ["cancel my order", "please stop the order", "Please stop it, my card"]
)
def test_a_request_about_other_business_alone_is_no_stop(text):
    assert decide(text).intent in {"ask", "none"}


@pytest.mark.parametrize(
    "text",
    [
        *("For the third time STOP", "This is the third time STOP", "por tercera vez STOP"),
        *("pour la troisième fois STOP", "zum dritten Mal STOPP", "pela terceira vez PARE"),
        *("per la terza volta STOP", "I want to cancel these text alerts"),
        "je veux annuler ces alertes sms",
    ],
)
def test_who_repeats_a_request_or_names_the_texts_is_heard(text):
    assert decide(text).intent == "stop"


@pytest.mark.parametrize(
    "text",
    [
        *("Sorry, I texted STOP by accident", "I accidentally sent stop", "stop was a mistake"),
        *("Don't call me, text me instead", "Stop calling, text me instead", "call me, dont text"),
        *("no me llames, mándame un mensaje", "ne m'appelez pas, envoyez un sms"),
        *("não me ligue, mande mensagem", "non mi chiamare, scrivimi"),
        *("When did you stop sending coupons", "Did you guys stop texting me?"),
        *("Avez-vous arrêté de m'envoyer des sms ?", "take off the onions", "get off the bus"),
    ],
)
def test_a_mistake_another_channel_and_a_question_are_no_stop(text):
    assert decide(text).intent in {"ask", "none"}


@pytest.mark.parametrize(
    "text", ["Don't call me. Don't text me.", "Stop calling. Stop texting.", "get off my phone"]
)
def test_what_resembles_them_and_asks_for_silence_is_a_stop(text):
    assert decide(text).intent == "stop"


@pytest.mark.parametrize(
    "text",
    [
        *("Leve me alone", "leave me alonr", "dony text me", "Don t text me", "Stpo texting me"),
        *("Stoptextingme", "pleaseremovemefromyourlist", "remove my #", "lose my # asap"),
        *("Don't text me again", "no thanks and please don't text again", "duck off"),
    ],
)
def test_a_slip_of_the_finger_hides_no_request(text):
    assert decide(text).intent == "stop"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "I lost my number",
            "did you test me again",
            "leave it along the fence",
            "don't last long",
        ),
        *("massage me again", "the top texting app", "contract me for the job", "stow"),
    ],
)
def test_a_word_that_resembles_a_requests_is_none(text):
    assert decide(text).intent == "none"


@pytest.mark.parametrize(
    "text",
    [
        *("Wrong number, please delete it", "He is deceased, remove his name"),
        *(
            "idk how you got my number but lose it",
            "Who is this? don't text",
            "no thanks. remove it",
        ),
        *("Falsche Nummer, bitte löschen", "número equivocado, bórrenlo por favor"),
    ],
)
def test_a_doubt_and_the_words_of_a_request_are_one(text):
    assert decide(text).intent == "stop"


@pytest.mark.parametrize(
    "text",
    ["im driving stop", "I don't vote so stop", "idk who this is but stop", "who is this stop"],
)
def test_stop_as_the_last_word_of_a_short_text_is_a_stop(text):
    assert decide(text).intent == "stop"


@pytest.mark.parametrize(
    "text",
    [
        "That is the fever that comes and goes, and in a few days it will all by itself stop",
        *("he says the leak will not stop", "what made you stop", "meet me at the bus stop"),
    ],
)
def test_stop_as_the_last_word_of_something_else_is_none(text):
    assert decide(text).intent == "none"


@pytest.mark.parametrize(
    "text", ["lol stop", "haha stop it", "omg stop it 😂😂", "Stop it 🤣 please"]
)
def test_who_laughs_at_something_is_asked_about(text):
    assert decide(text).intent == "ask"


@pytest.mark.parametrize("text", ["lol stop texting me", "haha unsubscribe me", "STOP 😂"])
def test_who_laughs_at_the_texts_is_heard(text):
    assert decide(text).intent == "stop"


@pytest.mark.parametrize(
    "text", ["Are you going to stop sending coupons", "will you guys quit giving discounts?"]
)
def test_a_question_whether_offers_end_is_asked_about(text):
    assert decide(text).intent == "ask"


@pytest.mark.parametrize(
    "text",
    ["Not Hector", "Sorry, I'm not Alice", "This isn't Tyrone!", "No Denise here", "🖕", "🙅"],
)
def test_a_name_that_is_not_the_persons_and_a_sign_are_asked_about(text):
    assert decide(text).intent == "ask"


@pytest.mark.parametrize("text", ["Not sure", "I'm not ready", "no problem", "This isn't bad"])
def test_what_is_no_name_is_nobodys(text):
    assert decide(text).intent == "none"
