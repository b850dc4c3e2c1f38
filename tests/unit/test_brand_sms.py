import pytest

from prefsvc.brand.sms import SmsSettings, reply_text, segments


def read(kind, text, **also):
    return reply_text(kind, **{"brand_name": "Acme", "contact": "+12025550123"} | also)(text)


@pytest.mark.parametrize("kind", ["stop", "help", "start"])
@pytest.mark.parametrize(
    "text",
    [
        "Acme: you will get no more texts.",
        "Acme: call +1 202-555-0123 or write to care@acme.example.com.",
        "Acme: e.g. 2.5 texts a week. Msg&data rates may apply. Reply STOP to end.",
        "{brand}: help is at {contact}.",
    ],
)
def test_a_plain_answer_stands(kind, text):
    assert read(kind, text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Acme: out. See https://acme.example.com",
        "Acme: out. See www.acme.example.com",
        "Acme: out. See acme.example.com/sale now",
        "Acme: out. bit.ly/x",
        "Acme: out.Bye",  # a phone makes a link of it, too
    ],
)
def test_an_answer_with_a_link_is_refused(text):
    with pytest.raises(ValueError, match="looks like a web address"):
        read("stop", text)


def test_the_brands_own_web_address_is_no_link_of_the_answer():
    assert read(
        "help", "{brand}: {contact}", brand_name="acme.example", contact="https://a.example"
    )


@pytest.mark.parametrize(
    ("kind", "text", "count"),
    [
        ("stop", "x" * 161, 2),
        ("stop", "á" + "x" * 70, 2),
        ("start", "€" * 81, 2),
        ("help", "x" * 307, 3),
        ("help", "á" + "x" * 134, 3),
    ],
)
def test_an_answer_that_takes_more_texts_than_it_may_is_refused(kind, text, count):
    with pytest.raises(ValueError, match=f"takes {count} text messages"):
        read(kind, text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [("stop", "x" * 160), ("stop", "á" + "x" * 69), ("start", "€" * 80), ("help", "x" * 306)],
)
def test_an_answer_that_just_fits_stands(kind, text):
    assert read(kind, text) == text


def test_the_name_and_the_contact_count_with_the_room_they_take():
    text = "{brand}" + "x" * 153
    assert read("stop", text, brand_name="A" * 7) == text
    with pytest.raises(ValueError, match="takes 2"):
        read("stop", text, brand_name="A" * 8)
    with pytest.raises(ValueError, match="takes 3"):
        read("stop", text, brand_name="á" * 7)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("ñ" * 160, 1),
        ("ç", 1),
        ("ç" * 71, 2),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("{" * 81, 2),
    ],
)
def test_a_text_is_counted_as_networks_count_it(text, count):
    assert segments(text) == count


def test_answers_come_by_language_and_kind():
    settings = SmsSettings(stop=(("en", "Out."), ("fr", "Fini.")), help=(("en", "Help."),))
    assert settings.reply_texts("en") == {"stop": "Out.", "help": "Help."}
    assert settings.reply_texts("fr") == {"stop": "Fini."}
    assert settings.reply_texts("de") == {}
