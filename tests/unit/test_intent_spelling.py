import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.intent.language import languages
from prefsvc.intent.spelling import slips_of

WORDS = st.text("abcdefgh", min_size=1, max_size=8)
LETTERS = st.sampled_from("abcxyz")


@given(WORDS, st.data())
def test_every_slip_of_one_finger_is_known(word, data):
    at = data.draw(st.integers(0, len(word) - 1))
    letter = data.draw(LETTERS)
    before, one, after = word[:at], word[at], word[at + 1 :]
    slips = set(slips_of(word))
    assert {before + after, before + letter + after, before + letter + one + after} <= slips
    assert before + after[:1] + one + after[1:] in slips


def test_no_slip_is_a_word_that_the_phrases_know():
    known = set(languages().requests.words())
    assert known.isdisjoint(languages().speller.slips)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("alonr", "alone"),
        ("stoptextingme", "stop texting me"),
        ("test", "test"),
        ("lost", "lost"),
        ("stopthemusic", "stopthemusic"),
        ("stop" * 100, "stop" * 100),
    ],
)
def test_a_word_is_mended_only_into_known_words(written, meant):
    assert " ".join(languages().speller.mended([written])) == meant
