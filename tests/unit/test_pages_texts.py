import string
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.address import CHANNELS
from prefsvc.receipt_words import Told, mail_of
from prefsvc.web.pages import render
from prefsvc.wording import texts as page_texts
from prefsvc.wording.texts import TEXTS, accepted_languages, page_language
from tests.support.page_cast import (
    BRAND,
    BY_POST,
    TEXTS_BY_PHONE,
    confirm,
    done,
    every_page,
    undone,
)

ENGLISH = TEXTS["en"]
OTHERS = [code for code in TEXTS if code != "en"]


def fields(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)


def test_the_pages_speak_these_languages():
    assert set(TEXTS) >= {"en", "fr", "es", "de", "ar"}
    assert {code for code, texts in TEXTS.items() if texts.direction == "rtl"} == {"ar"}


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_the_same_keys(language):
    assert TEXTS[language].by_key.keys() == ENGLISH.by_key.keys()


@pytest.mark.parametrize("language", TEXTS)
def test_no_text_is_empty_or_left_in_english(language):
    same = {"name", "direction", "date.pattern", "date.first_day", "home.heading"}
    for key, text in TEXTS[language].by_key.items():
        assert text.strip() == text
        assert text
        assert language == "en" or key in same or text != ENGLISH.by_key[key]


@pytest.mark.parametrize("language", OTHERS)
def test_texts_of_one_key_name_no_fields_that_english_has_not(language):
    for key, text in TEXTS[language].by_key.items():
        # French names the brand below the heading, not in it, to keep clear of "de" and "d'".
        if not key.startswith("everything.") and key != "date.pattern":
            assert fields(text) == fields(ENGLISH.by_key[key]), key


def test_french_never_breaks_a_line_before_its_punctuation():
    for text in TEXTS["fr"].by_key.values():
        assert not [mark for mark in ("« ", " »", " ?", " :", " ;", " !") if mark in text], text


class Recording(dict):
    def __init__(self, *args):
        super().__init__(*args)
        self.used = set()

    def get(self, key, default=None):
        self.used.add(key)
        return super().get(key, default)

    def __getitem__(self, key):
        self.used.add(key)
        return super().__getitem__(key)


def test_every_text_is_used_by_some_page_or_mail(monkeypatch):
    texts: Mapping[str, str] = Recording(ENGLISH.by_key)
    monkeypatch.setitem(page_texts.TEXTS, "en", replace(ENGLISH, by_key=texts))
    by_email = replace(TEXTS_BY_PHONE, channel="email", masked_address="a***@e***.com")
    views = [*every_page("en").values()]
    for subject in (
        by_email,
        BY_POST,
        TEXTS_BY_PHONE,
        replace(TEXTS_BY_PHONE, channel="whatsapp"),
        *(replace(BRAND, channel=channel) for channel in CHANNELS),
        *(replace(confirm().subject, channel=channel) for channel in CHANNELS),
    ):
        views += [confirm(subject=subject), done(subject=subject), undone(subject=subject)]
        views.append(done(subject=subject, already=True))
    for view in views:
        render(view)
    receipt = Told(
        language="en", brand="Acme", covered="channel", undo_until=date(2026, 11, 30), number="1"
    )
    mail_of(receipt)
    about_the_language = {"name", "direction", "date.pattern", "date.first_day"}
    assert ENGLISH.by_key.keys() - texts.used == about_the_language


@pytest.mark.parametrize(
    ("language", "day", "written"),
    [
        ("en", date(2026, 11, 30), "30 November 2026"),
        ("fr", date(2026, 8, 1), "1er août 2026"),
        ("fr", date(2026, 8, 2), "2 août 2026"),
        ("es", date(2026, 3, 1), "1 de marzo de 2026"),
        ("de", date(2026, 3, 14), "14. März 2026"),
        ("ar", date(2026, 12, 31), "31 ديسمبر 2026"),
    ],
)
def test_a_day_is_written_so_that_it_can_be_read_in_one_way_only(language, day, written):
    shown = TEXTS[language].day(day)
    assert shown.striptags().replace("\N{NO-BREAK SPACE}", " ") == written
    assert f'datetime="{day.isoformat()}"' in shown
    assert " " not in shown.striptags().replace(" ", "\N{NO-BREAK SPACE}")


@pytest.mark.parametrize("language", TEXTS)
def test_every_month_has_a_name_of_its_own(language):
    assert len(set(TEXTS[language].months)) == 12


def test_a_text_that_names_a_field_its_page_lacks_is_a_fault():
    with pytest.raises(KeyError):
        ENGLISH.say("page.help", None, {})
    with pytest.raises(KeyError):
        ENGLISH.say("no.such.text", "email", {})


@pytest.mark.parametrize(
    ("wished", "spoken"),
    [
        (["fr"], "fr"),
        (["fr-CA", "en"], "fr"),
        (["pt_BR", None, "ES", "en"], "es"),
        (["tlh", ""], "en"),
        ([], "en"),
    ],
)
def test_the_first_wish_that_can_be_had_is_the_pages_language(wished, spoken):
    assert page_language(wished, ["en", "fr", "es", "de"]) == spoken


def test_a_language_that_the_brand_does_not_offer_is_not_spoken():
    assert page_language(["de", "es"], ["fr", "es"]) == "es"
    assert page_language(["de"], ["fr", "es"]) == "fr"
    assert page_language(["de"], ["tlh"]) == "en"


@pytest.mark.parametrize(
    ("header", "languages"),
    [
        (None, []),
        ("", []),
        ("fr", ["fr"]),
        ("fr-CH, fr;q=0.9, en;q=0.8, *;q=0.5", ["fr-ch", "fr", "en"]),
        ("en;q=0.2, de ; q=0.7", ["de", "en"]),
        ("en;q=0, es", ["es"]),
        ("<script>, de", ["de"]),
        ("en;q=nine, es;q=0.1", ["es"]),
    ],
)
def test_a_browsers_languages_are_read_best_first(header, languages):
    assert accepted_languages(header) == languages


@given(st.text(max_size=600))
def test_no_header_breaks_the_page(header):
    assert page_language(accepted_languages(header)) in TEXTS
