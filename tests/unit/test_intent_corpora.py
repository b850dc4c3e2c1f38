import pytest

from prefsvc.intent import decide
from tests.unit.intent.report import TAPBACKS, collected, confusers, vendor_words


def read_as(intent, texts):
    return [text for text in texts if decide(text).intent == intent]


def test_every_vendors_word_reads_as_its_vendor_says(corpora):
    words = list(vendor_words(corpora))
    assert len(words) > 90
    assert [one.text for one in words if one.miss(decide(one.text))] == []


def test_at_most_one_ordinary_text_is_a_stop_and_few_are_asked_about(corpora):
    texts = collected("ham", corpora)
    assert len(texts) > 2000
    assert len(read_as("stop", texts)) <= 1
    assert len(read_as("ask", texts)) <= len(texts) / 200


@pytest.mark.parametrize("tapback", TAPBACKS)
def test_no_tapback_on_an_advertisement_is_a_stop(corpora, tapback):
    texts = [tapback.format(text) for text in collected("spam", corpora)]
    assert len(texts) > 300
    assert [text for text in texts if decide(text).intent != "none"] == []


@pytest.mark.parametrize("name", ["clinc150_half", "banking77_half"])
def test_no_text_that_stops_something_else_is_a_stop(corpora, name):
    texts = confusers(name, corpora)
    assert len(texts) > 50
    assert read_as("stop", texts) == []
