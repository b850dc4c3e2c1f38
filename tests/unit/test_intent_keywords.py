import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.intent import Decision, decide, is_yes
from prefsvc.intent.language import languages

STOPS = (
    *("stop", "stopall", "stop-all", "stop all", "quit", "end", "revoke", "cancel", "unsubscribe"),
    *("optout", "opt-out", "opt out", "please opt me out", "remove", "td", "unsub", "no"),
    *("arret", "arrete", "arrett", "halt", "detener", "alto", "parar", "ferma", "zatrzymaj"),
    *("berhenti", "остановить", "ايقاف", "退订", "停止", "수신거부", "הסר", "रोकें", "dừng", "dur"),
)
STARTS = (
    *("start", "unstop", "begin", "continue", "resume", "revert", "subscribe"),
    *("activer", "nonarret"),
)
HELPS = (
    *("help", "info"),
    *("aide", "hulp", "hilfe", "ayuda", "ajuda", "aiuto", "помощь", "pomocy"),
)
INTENTS = {w: i for i, ws in (("stop", STOPS), ("start", STARTS), ("help", HELPS)) for w in ws}

FULL_WIDTH = {c: c + 0xFEE0 for c in range(0x21, 0x7F)}
BOLD = {c: 0x1D400 + c - 0x41 for c in range(0x41, 0x5B)}
WRAPPINGS = {
    "as written": "{}",
    "a full stop": "{}.",
    "shouting": "{}!!!",
    "an ellipsis": "{}…",
    "a newline": "{}\r\n",
    "spaces": "   {}\t ",
    "no-break spaces": "\u00a0{}\u202f",
    "zero-width characters": "\u200b{}\ufeff",
    "direction marks": "\u200f{}\u200e",
    "straight quotes": '"{}"',
    "curly quotes": "“{}”",
    "guillemets": "« {} »",
    "brackets": "[{}]",
    "stars": "**{}**",
    "an emoji": "{} 🛑",
    "an emoji of several characters": "👨‍👩‍👧{}✋🏽❤️",
    "an underscore": "_{}_",
    "an inverted mark": "¡{}!",
    "a NUL byte": "{}\x00",
}
SPELLINGS = {
    "as listed": str,
    "in capitals": str.upper,
    "capitalised": str.title,
    "in full-width letters": lambda word: word.translate(FULL_WIDTH),
    "in bold letters": lambda word: word.upper().translate(BOLD),
}


def intents(texts):
    return {text: decide(text).intent for text in texts}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("wrapping", WRAPPINGS.values(), ids=WRAPPINGS)
def test_a_keyword_is_read_however_it_is_dressed(wrapping, spelling):
    texts = {wrapping.format(spelling(word)): intent for word, intent in INTENTS.items()}
    assert intents(texts) == texts


@pytest.mark.parametrize(
    "text",
    [
        *("OPT OUT", "opt-out", "Opt\u2013Out", "opt_out", "OPT  OUT", "opt\u00a0out", "opt\nout"),
        *("ST\u200bOP", "S T O P", "s.t.o.p.", "ST-OP", "STO\u00adP", "un-subscribe"),
        *("ARRÊT", "arre\u0302t", "Arrêté", "إيقاف", "ⓢⓣⓞⓟ", "N.O."),
        *("ЅТОР", "stоp", "ꜱᴛᴏᴘ", "st0p", "5TOP", "stoooop", "STOPPPP", "unsubscibe", "unsuscribe"),
    ],
)
def test_a_stop_word_may_be_pulled_apart_disguised_or_misspelt(text):
    assert decide(text).intent == "stop"


@pytest.mark.parametrize(
    "text",
    [
        *("be gin", "re-start", "STAR T", "un stop", "in-fo", "con tinue", "S T A R T", "5tart"),
        *("starttt", "please start", "stаrt", "sub scribe", "start please", "restart"),
    ],
)
def test_a_word_that_starts_messages_is_read_only_as_listed(text):
    assert decide(text).intent not in {"start", "help"}


@pytest.mark.parametrize(
    "text",
    [
        *("Please stop", "stop please", "STOP STOP STOP", "ok stop", "Stop, thanks", "hi. stop."),
        *("just fucking stop", "STOP asap", "Bitte abmelden, danke", "stop svp", "baja por favor"),
    ],
)
def test_courtesies_and_curses_change_no_keyword(text):
    assert decide(text).intent == "stop"


@pytest.mark.parametrize("text", ["no thanks", "No, thank you!", "no please", "Nein danke", "🛑"])
def test_what_may_only_decline_an_offer_is_for_a_person_to_decide(text):
    assert decide(text).intent == "ask"


@pytest.mark.parametrize("text", ["", " ", "...", "\u200b", "\x00", "-", "???", "👍", "y", "ok"])
def test_a_text_without_words_asks_nothing(text):
    assert decide(text) == Decision("none", "nothing_asked")


def test_the_decision_names_the_list_that_the_keyword_is_on():
    assert decide("Opt-Out!") == Decision("stop", "fcc_per_se", "channel", "en")
    assert decide("td") == Decision("stop", "carrier", "channel", "en")
    assert decide("UNSUB") == Decision("stop", "vendor", "channel", "en")
    assert decide("unstop") == Decision("start", "carrier", None, "en")
    assert decide("Hilfe") == Decision("help", "vendor_list", None, "de")


@pytest.mark.parametrize("text", ["STOP ALL", "StopAll", "stop-all.", "“STOP  ALL”"])
def test_stop_all_covers_everything(text):
    assert decide(text) == Decision("stop", "carrier", "everything", "en")


def test_no_other_of_the_carriers_words_covers_everything():
    wide = {word for word in INTENTS if decide(word).scope == "everything"}
    assert wide == {"stopall", "stop-all", "stop all"}


@pytest.mark.parametrize("text", ["YES", "yes", "Yes!", " “yes” 👍"])
def test_yes_starts_texts_only_where_a_question_is_pending(text):
    assert is_yes(text)
    assert decide(text).intent == "none"
    asked = decide(text, question_pending=True)
    assert asked == Decision("start", "yes_to_a_question", None, "en")


@pytest.mark.parametrize("text", ["yes please", "yeah", "y e s", "start", "", "no", "yesss"])
def test_nothing_but_yes_is_yes(text):
    assert not is_yes(text)
    assert decide(text, question_pending=True).rule != "yes_to_a_question"


def test_no_is_a_stop_even_where_a_question_is_pending():
    assert decide("NO", question_pending=True).intent == "stop"


def test_a_keyword_that_starts_texts_in_one_language_stops_them_in_none():
    known = languages().keywords
    starts = {word for word, keyword in known.items() if keyword.outcome == "start"}
    assert starts.isdisjoint(languages().joined)


# Of a letter that is written three times and more one is read: two that are left are initials.
UNKNOWN = st.text("bdfgjkq", min_size=3).filter(lambda word: not re.search(r"(.)\1\1", word))


@given(st.sampled_from(sorted(INTENTS)), UNKNOWN)
def test_a_keyword_beside_an_unknown_word_is_no_keyword(word, other):
    rules = {decide(f"{other} {word}").rule, decide(f"{word} {other}").rule}
    assert rules.isdisjoint({"fcc_per_se", "carrier", "vendor", "vendor_list", "bare_no"})
