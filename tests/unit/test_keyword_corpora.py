import json
import os
from pathlib import Path

import pytest

from prefsvc import keyword

ROOT = Path(__file__).parents[2]
CORPORA = ROOT / os.environ.get("PREFSVC_CORPORA", "../shared/corpora")

pytestmark = pytest.mark.skipif(
    not CORPORA.is_dir(), reason="no corpora; PREFSVC_CORPORA names their folder"
)

STOP_LISTS = {
    "AWS End User Messaging (required, US/CA)",
    "Adobe Journey Optimizer",
    "Braze",
    "Brevo Norway",
    "Bird en",
    "Bird other languages",
    "Kalkun (fr)",
    "Sakari",
    "Scale to Win (es)",
    "Telnyx",
    "Twilio Proxy",
    "Twilio default long code (docs, current)",
    "public code, Indonesia",
    "public code, Tunisia (ar)",
}
START_LISTS = {"AJO opt-in", "Bird opt-in", "Kalkun opt-in (fr)"}
HELP_LISTS = {"Bird help"}


def flat(words):
    if isinstance(words, str):
        return [words]
    return [
        w for part in (words.values() if isinstance(words, dict) else words) for w in flat(part)
    ]


def vendor_words():
    lists = json.loads((CORPORA / "sms/vendor_keywords.json").read_text(encoding="utf-8"))
    assert set(lists) == STOP_LISTS | START_LISTS | HELP_LISTS
    for vendor, words in lists.items():
        outcome = "stop" if vendor in STOP_LISTS else "start" if vendor in START_LISTS else "help"
        for word in flat(words):
            yield word, outcome


def collected(label):
    rows = (CORPORA / "sms/sms_spam_collection_half.tsv").read_text(encoding="utf-8").splitlines()
    texts = [row.partition("\t")[2] for row in rows if row.startswith(label + "\t")]
    assert len(texts) > 300
    return texts


def test_every_vendors_word_reads_as_its_vendor_says():
    disagree = {
        (word, outcome)
        for word, outcome in vendor_words()
        if (found := keyword.read(word)) is None or found.outcome != outcome
    }
    assert disagree == {("YES", "start")}  # S-14: YES starts nothing


def test_no_ordinary_text_is_a_stop():
    found = [t for t in collected("ham") if (k := keyword.read(t)) and k.outcome == "stop"]
    assert found == []


@pytest.mark.parametrize("verb", ["Liked", "Loved", "Emphasized", "Laughed at", "Questioned"])
def test_no_tapback_on_an_advertisement_is_a_keyword(verb):
    assert [t for t in collected("spam") if keyword.read(f"{verb} “{t}”")] == []


@pytest.mark.parametrize("name", ["clinc150_half", "banking77_half"])
def test_no_text_that_stops_something_else_is_a_stop(name):
    rows = json.loads((CORPORA / f"intent/{name}.json").read_text(encoding="utf-8"))
    texts = [row["text"] for row in rows if row["label"] == "not_opt_out"]
    assert len(texts) > 50
    assert [text for text in texts if keyword.read(text)] == []
