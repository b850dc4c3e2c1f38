import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc import keyword
from prefsvc.keyword import Keyword

STOPS = (
    *("stop", "stopall", "stop-all", "stop all", "quit", "end", "revoke", "cancel", "unsubscribe"),
    *("optout", "opt-out", "opt out", "please opt me out", "remove", "td", "unsub", "no"),
    *("arret", "arrete", "arrett", "halt", "detener", "alto", "parar", "ferma", "zatrzymaj"),
    *("berhenti", "остановить", "ايقاف"),
)
STARTS = (
    *("start", "unstop", "begin", "continue", "resume", "revert", "subscribe"),
    *("activer", "nonarret"),
)
HELPS = (
    *("help", "info"),
    *("aide", "hulp", "hilfe", "ayuda", "ajuda", "aiuto", "помощь", "pomocy"),
)
OUTCOMES = {w: o for o, ws in (("stop", STOPS), ("start", STARTS), ("help", HELPS)) for w in ws}

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


def outcome(text):
    found = keyword.read(text)
    return found and found.outcome


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("wrapping", WRAPPINGS.values(), ids=WRAPPINGS)
def test_a_keyword_is_read_however_it_is_dressed(wrapping, spelling):
    texts = {wrapping.format(spelling(word)): expected for word, expected in OUTCOMES.items()}
    assert {text: outcome(text) for text in texts} == texts


@pytest.mark.parametrize(
    "text",
    [
        *("OPT OUT", "opt-out", "Opt\u2013Out", "opt_out", "OPT  OUT", "opt\u00a0out", "opt\nout"),
        *("ST\u200bOP", "S T O P", "s.t.o.p.", "ST-OP", "STO\u00adP", "un-subscribe"),
        *("ARRÊT", "arre\u0302t", "Arrêté", "إيقاف", "ⓢⓣⓞⓟ", "N.O."),
    ],
)
def test_a_stop_word_may_be_pulled_apart_or_accented(text):
    assert outcome(text) == "stop"


@pytest.mark.parametrize("text", ["be gin", "re-start", "STAR T", "un stop", "in-fo", "con tinue"])
def test_a_word_that_starts_messages_is_read_only_as_listed(text):
    assert keyword.read(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *(
            "is the store at the last stop?",
            "don't stop",
            "can't stop laughing",
            "stopped",
            "sTOPs",
        ),
        *("unstoppable", "the end", "weekend", "no thanks", "now", "cancel my order", "end of may"),
        *("Liked “STOP”", "Liked “Reply STOP to opt out”", "Reacted 👍 to “STOP”", "restart"),
        *(
            "please start",
            "I need help",
            "get info",
            "STOP 123",
            "2 stop",
            "stop stop",
            "stops all",
        ),
        *("Yes", "YES!", "y", "ok", "🛑", "", " ", "...", "\u200b", "\x00", "-", "???"),
    ],
)
def test_a_message_that_says_more_or_else_is_no_keyword(text):
    assert keyword.read(text) is None


def test_the_value_says_which_word_on_whose_list():
    assert keyword.read("Opt-Out!") == Keyword("stop", "opt out", "fcc_per_se")
    assert keyword.read("td") == Keyword("stop", "td", "carrier")
    assert keyword.read("UNSUB") == Keyword("stop", "unsub", "vendor")
    assert keyword.read("unstop") == Keyword("start", "unstop", "carrier")
    assert keyword.read("Hilfe") == Keyword("help", "hilfe", "other_language")


@pytest.mark.parametrize("text", ["STOP ALL", "StopAll", "stop-all.", "“STOP  ALL”"])
def test_stop_all_covers_everything(text):
    assert keyword.read(text) == Keyword("stop", "stop all", "carrier", everything=True)


def test_no_other_word_covers_everything():
    words = {word for word in OUTCOMES if keyword.read(word).everything}
    assert words == {"stopall", "stop-all", "stop all"}


@pytest.mark.parametrize("text", ["YES", "yes", "Yes!", " “yes” 👍"])
def test_yes_answers_a_question_and_starts_nothing(text):
    assert keyword.is_yes(text)
    assert keyword.read(text) is None


@pytest.mark.parametrize("text", ["yes please", "yeah", "y e s", "start", ""])
def test_nothing_but_yes_is_yes(text):
    assert not keyword.is_yes(text)


def test_no_word_is_on_two_lists():
    words = [
        "".join(keyword._words(word))
        for lists in (keyword._STOP, keyword._START, keyword._HELP)
        for words in lists.values()
        for word in words
    ]
    assert len(words) == len(set(words))


ANY_TEXT = st.text(st.characters(codec=None), max_size=200)


@given(ANY_TEXT)
def test_any_text_is_read_or_not_and_never_raises(text):
    found = keyword.read(text)
    assert found is None or found.outcome in {"stop", "start", "help"}


@given(st.sampled_from(sorted(OUTCOMES)), st.text("bdfgjkq", min_size=1))
def test_a_keyword_beside_another_word_is_no_keyword(word, other):
    assert keyword.read(f"{other} {word}") is None
    assert keyword.read(f"{word} {other}") is None


@pytest.mark.parametrize(
    "flood",
    [
        "a" + "\u0301\u0323" * 32768,  # accents out of order: normalising takes quadratic time
        "\ufdfa" * 65536,  # each becomes eighteen characters
        " " * 65535 + ".",
        "stop " * 13108,
        "-" * 65536,
        "\u200b" * 65536,
        "👍" * 65536,
    ],
)
def test_64_kib_of_anything_are_read_in_a_moment(flood):
    began = time.process_time()
    assert keyword.read(flood) is None
    assert keyword.read(flood[:1600]) is None
    assert time.process_time() - began < 0.25  # 3.2 s without a bound on the length


def test_a_keyword_amid_white_space_is_found_whatever_its_length():
    assert outcome(" " * 65536 + "stop" + "\n" * 65536) == "stop"
