import pytest

from prefsvc.brand import best_language, parse_language


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("EN", "en"),
        ("pt-br", "pt-BR"),
        ("ZH-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("de-CH-1901", "de-CH-1901"),
        ("sl-ROZAJ-biske", "sl-rozaj-biske"),
        ("gsw", "gsw"),
    ],
)
def test_a_language_has_one_spelling(written, canonical):
    assert parse_language(written) == canonical
    assert parse_language(canonical) == canonical


@pytest.mark.parametrize("text", ["", "e", "english", "en_US", "en-", "en-USA1x2y3z", "en US", "*"])
def test_what_is_no_language_tag_is_refused(text):
    with pytest.raises(ValueError, match="not a language tag"):
        parse_language(text)


@pytest.mark.parametrize(
    ("preferred", "best"),
    [
        (["fr-CA"], "fr-CA"),
        (["FR-ca"], "fr-CA"),
        (["fr"], "fr-CA"),
        (["fr-BE"], "fr-CA"),
        (["en-GB-oxendict"], "en"),
        (["zh-Hant-HK"], "zh-Hant"),
        (["de", "fr"], "fr-CA"),
        (["*", "zh"], "zh-Hant"),
        (["de", "", "-", "x"], "en"),
        ([], "en"),
    ],
)
def test_the_language_nearest_to_the_first_preference_is_taken(preferred, best):
    assert best_language(preferred, ["en", "fr-CA", "zh-Hant"]) == best


def test_of_several_that_will_do_the_first_is_taken():
    assert best_language(["pt"], ["en", "pt-BR", "pt-PT"]) == "pt-BR"
    assert best_language(["pt-PT"], ["en", "pt-BR", "pt-PT"]) == "pt-PT"
