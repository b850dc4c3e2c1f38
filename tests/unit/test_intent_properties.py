import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prefsvc.intent import decide
from prefsvc.intent.language import languages
from prefsvc.intent.spelling import BREAK, plain

ANY_TEXT = st.text(st.characters(codec=None), max_size=200)
KNOWN = st.sampled_from(sorted(languages().speller.vocabulary))
KEYWORDS = st.sampled_from(sorted(languages().keywords))
FLOODS = {
    "accents out of order": "a" + "\u0301\u0323" * 32768,
    "ligatures of eighteen letters": "\ufdfa" * 65536,
    "spaces": " " * 65535 + ".",
    "one keyword": "stop " * 13108,
    "hyphens": "-" * 65536,
    "nothing visible": "\u200b" * 65536,
    "emoji": "👍" * 65536,
    "quotation marks": "“" * 32768 + "”" * 32768,
    "single letters": "s t o p " * 8192,
    "the same phrase's beginning": "i do not want you to " * 3000,
    "line ends": "x" + "\n" * 65536 + "x",
    "quoted lines": "> \n" * 20000,
    "questions": "how did you get my " * 3500,
    "characters": "メール連絡を" * 10000,
    "stars": "f*" * 32768,
}


@given(ANY_TEXT)
@example("\ud800\x00")
@example("“")
@example("stop \udfff")
def test_any_text_is_decided(text):
    decision = decide(text)
    assert decision.intent in {"stop", "start", "help", "ask", "none"}
    assert (decision.scope is None) == (decision.intent != "stop")


@given(st.lists(KNOWN, max_size=30).map(" ".join))
def test_any_row_of_known_words_is_decided_and_alike_in_capitals(text):
    asked = decide(text)
    assert asked.rule
    assert decide(text + "!!!").intent == asked.intent


@given(ANY_TEXT)
def test_a_plain_text_is_as_plain_as_it_gets(text):
    assert plain(plain(text)) == plain(text)


@given(KEYWORDS, st.sampled_from(["{}", "{}!", "✋ {} 🙏", "({})", "\u200b{}\u200d", "\n{}\n"]))
def test_punctuation_and_emoji_change_no_keyword(keyword, wrapping):
    assert decide(wrapping.format(keyword)).intent == decide(keyword).intent


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_64_kib_of_anything_are_read_in_a_moment(flood):
    decide("warm")
    began = time.process_time()
    decide(flood)
    assert time.process_time() - began < 0.25  # 20 ms allowed; the slowest takes some 10


def test_a_keyword_amid_white_space_is_found_whatever_its_length():
    assert decide(" " * 65536 + "stop" + "\n" * 65536).intent == "stop"


def test_every_pattern_is_a_bounded_regular_expression():
    patterns = {
        phrase.pattern
        for grammar in (languages().requests, languages().wide)
        for phrase in grammar.phrases()
    }
    assert len(patterns) > 1000
    for pattern in patterns:
        compiled = re.compile(pattern)
        assert compiled.match(f"{BREAK} ") is None  # never empty
        assert not re.search(r"\)[*+]", pattern)  # repeats nothing without a bound
