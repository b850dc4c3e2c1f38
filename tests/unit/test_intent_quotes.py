import pytest

from prefsvc.intent import decide
from prefsvc.intent.quotes import own_words

FOOTER = "Summer sale: 20% off all shoes. Reply STOP to opt out"
REACTIONS = [
    *("Liked “{}”", 'Loved "{}"', "Disliked “{}”", "Laughed at “{}”", "Emphasized “{}”"),
    *("Emphasised “{}”", "Questioned “{}”", "Removed a like from “{}”", "Reacted 👍 to “{}”"),
    *("Removed a question mark from “{}”", "\u200b👍\u200b to “{}”", "A aimé « {} »"),
    *("A ri de « {} »", "Le gustó “{}”", "Se rió de “{}”", "Gefällt: „{}“", "Liebt „{}“"),
    *("Gostou de “{}”", "Ha messo “Mi piace” a “{}”", "Vond “{}” leuk", "Gillade ”{}”"),
]


@pytest.mark.parametrize("reaction", REACTIONS)
@pytest.mark.parametrize(
    "quoted", [FOOTER, "please stop texting me", "unsubscribe me from your list right now"]
)
def test_a_reaction_asks_nothing_whatever_it_quotes(reaction, quoted):
    assert decide(reaction.format(quoted)).intent == "none"


@pytest.mark.parametrize("verb", ["Liked", "Loved", "A aimé", "Le gustó"])
def test_a_reaction_to_a_keyword_is_no_keyword(verb):
    assert decide(f"{verb} “STOP”").intent == "none"


def test_a_quotation_that_was_cut_off_is_one():
    assert own_words(f"Liked “{FOOTER}") == ""


@pytest.mark.parametrize(
    "text",
    [
        f"“{FOOTER}” stop texting me",
        f"stop texting me “{FOOTER}”",
        f"> {FOOTER}\n> Acme\nstop texting me",
        "stop texting me\nSent from my iPhone",
        "stop texting me\n-- \nAnn",
    ],
)
def test_what_stands_beside_a_quotation_or_signature_is_read(text):
    assert decide(text).intent == "stop"


def test_a_word_in_quotation_marks_is_emphasis():
    assert decide('please "STOP"').intent == "stop"


@pytest.mark.parametrize(
    "text", [FOOTER, "Text STOP to 12345 to end", "reply stop to unsubscribe", "STOP to opt out?"]
)
def test_a_footer_sent_back_is_not_passed_over_for_a_plain_request(text):
    assert decide(text + " - I did! Stop texting me").intent == "stop"


@pytest.mark.parametrize(
    "text", ["> STOP", ">>STOP<<", ".\n--\nSTOP", "> please stop texting me", "> STOP\n> thanks"]
)
def test_a_text_that_is_all_quoted_is_the_persons_own(text):
    assert decide(text).intent == "stop"


@pytest.mark.parametrize("text", ["> Reply STOP to end", ">Sale! Unsubscribe: https://example.com"])
def test_an_advertisement_that_is_all_quoted_asks_nothing(text):
    assert decide(text).intent == "none"


@pytest.mark.parametrize(
    "text", ["Hello\n--\nplease stop texting me", "Hi there\n-- \nSTOP", "?\n---\nremove me\nAnn"]
)
def test_a_request_below_a_signatures_dashes_is_heard(text):
    assert decide(text).intent == "stop"


@pytest.mark.parametrize(
    "text", ["Sent from my iPhone. STOP", "Sent from my Galaxy\nSTOP", "STOP Sent from my iPhone"]
)
def test_a_phones_signature_ends_with_its_sentence(text):
    assert decide(text).intent == "stop"


@pytest.mark.parametrize(
    "text",
    [
        *('Hate these texts, stop "Acme"', 'Liked your stuff, unsubscribe me from "deals"'),
        *('- "STOP"', "* “STOP” *", "👎 “STOP”"),
        *('Loved you guys but "stop"', 'Hate it. STOP texting me "please"'),
    ],
)
def test_a_verb_with_words_of_ones_own_is_no_reaction(text):
    assert decide(text).intent == "stop"


@pytest.mark.parametrize(
    "text",
    [
        *('I said "stop texting me right now"', 'I told you "do not text me again"'),
        *(
            'I asked you "please stop texting this number"',
            'dije "deja de enviarme mensajes ahora"',
        ),
        *("j'ai dit « arrêtez de m'envoyer des sms »", "ich sagte „hört auf mir zu schreiben“"),
        *('eu disse "pare de me mandar mensagem"', 'ho detto "smettetela di mandarmi messaggi"'),
    ],
)
def test_who_quotes_the_own_request_makes_it_again(text):
    assert decide(text).intent == "stop"


def test_a_request_that_another_made_is_none():
    assert decide('My boss said "stop texting me right now"').intent == "none"


def test_a_footer_alone_asks_nothing():
    assert decide(FOOTER).intent == "none"
