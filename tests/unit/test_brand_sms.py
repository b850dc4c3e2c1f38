import pytest

from prefsvc.brand import Brand
from prefsvc.brand.sms import SmsSettings, reply_text, segments
from prefsvc.errors import BrandRefusal
from tests.unit.brand_documents import as_toml, small


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


@pytest.mark.parametrize(
    ("text", "offer"),
    [
        ("Last chance: 20% off", "0%"),
        ("Our SALE goes on", "SALE"),
        ("Free gift with START", "Free"),
        ("$10 if you stay", "[$]1"),
        ("10 € if you stay", "0 €"),
        ("Nos soldes continuent", "soldes"),
        ("Muchas ofertas en tienda", "ofertas"),
        ("Noch 10 € Rabatt", "0 €"),
    ],
)
@pytest.mark.parametrize("kind", ["stop", "start"])
def test_a_confirmation_that_advertises_is_refused(kind, text, offer):
    refusal = f'"{offer}" advertises; an answer to {kind.upper()} only confirms'
    with pytest.raises(ValueError, match=refusal):
        read(kind, f"{{brand}}: {text}")


@pytest.mark.parametrize(
    "text",
    [
        "ACME: done. Call toll-free +1 202 555 0123.",
        "{brand} : c'est noté. Sans frais.",
        "{brand}: done. Write to {contact} or hello@example.com.",
    ],
)
def test_a_confirmation_that_only_confirms_stands(text):
    assert read("stop", text) == text


def test_help_may_say_what_the_texts_are_about():
    assert read("help", "{brand} texts about sales and offers. {contact}. Reply STOP to end.")


def test_the_brands_own_name_may_be_an_offer():
    assert read("stop", "{brand}: done. {contact}", brand_name="The Gift Shop")
    assert read("stop", "The gift shop: done.", brand_name="The Gift Shop")


@pytest.mark.parametrize("kind", ["stop", "help", "start"])
@pytest.mark.parametrize("text", ["You are unsubscribed.", "Ask {contact}.", "{brands}: done."])
def test_an_answer_that_does_not_name_the_brand_is_refused(kind, text):
    with pytest.raises(ValueError, match="does not say whose answer it is"):
        read(kind, text)


def test_the_brands_file_says_what_is_wrong_with_an_answer():
    replies = {"stop": {"en": "Acme: bye. Our SALE goes on."}}
    declared = small(
        channels=["sms"],
        numbers=["+12025550100"],
        support={"email": "help@example.com"},
        sms={"replies": replies},
    )
    with pytest.raises(BrandRefusal, match='"SALE" advertises'):
        Brand.from_toml(as_toml(declared), file="acme.toml")


def test_the_brands_own_web_address_is_no_link_of_the_answer():
    assert read(
        "help", "{brand}: {contact}", brand_name="acme.example", contact="https://a.example"
    )


@pytest.mark.parametrize(
    ("kind", "text", "count"),
    [
        ("stop", "Acme" + "x" * 157, 2),
        ("stop", "Acme á" + "x" * 65, 2),
        ("start", "Acme" + "€" * 79, 2),
        ("help", "Acme" + "x" * 303, 3),
        ("help", "Acme á" + "x" * 129, 3),
    ],
)
def test_an_answer_that_takes_more_texts_than_it_may_is_refused(kind, text, count):
    with pytest.raises(ValueError, match=f"takes {count} text messages"):
        read(kind, text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("stop", "Acme" + "x" * 156),
        ("stop", "Acme á" + "x" * 64),
        ("start", "Acme" + "€" * 78),
        ("help", "Acme" + "x" * 302),
    ],
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


@pytest.mark.parametrize(
    ("rules", "country", "expected"),
    [
        (["tcpa"], None, "suppress"),
        (["tcpa"], "GB", "suppress"),
        ([], "US", "suppress"),
        ([], "GB", "review"),
        (["casl"], None, "review"),
    ],
)
def test_a_doubtful_reply_suppresses_first_where_us_law_may_apply(rules, country, expected):
    brand = Brand.from_toml(as_toml(small(rules=rules)), file="acme.toml")
    assert brand.doubtful(country) == expected


@pytest.mark.parametrize("said", ["suppress", "review"])
def test_what_the_brand_says_of_doubtful_replies_counts(said):
    declared = small(
        channels=["email", "sms"],
        numbers=["+12025550100"],
        rules=["tcpa"],
        support={"email": "help@example.com"},
        sms={"doubtful": said, "wrong_number": "stop"},
    )
    brand = Brand.from_toml(as_toml(declared), file="acme.toml")
    assert {brand.doubtful(country) for country in (None, "US", "GB")} == {said}
    assert brand.sms.wrong_number == "stop"
    assert Brand.from_document(brand.to_document()) == brand


@pytest.mark.parametrize(
    ("wrong", "allowed"),
    [
        ({"doubtful": "drop"}, "allowed: review, suppress"),
        ({"wrong_number": "ignore"}, "allowed: ask, stop"),
    ],
)
def test_another_word_for_doubt_is_refused(wrong, allowed):
    declared = small(channels=["sms"], numbers=["+12025550100"], sms=wrong)
    with pytest.raises(BrandRefusal, match=allowed):
        Brand.from_toml(as_toml(declared), file="acme.toml")


TWILIOS, TELNYX = "MG00000000000000000000000000000acc", "40017d4e-0000-4000-8000-0123456789ab"
ACCOUNT = "AC00000000000000000000000000000acc"
TEXTING = {
    "channels": ["sms"], "topics": None, "support": {"phone": "+12025550123"},
    "numbers": ["+12025550101"],
}  # fmt: skip


def texting(services=(), **sms):
    document = small(**TEXTING, messaging_services=list(services), sms=sms)
    return Brand.from_toml(as_toml(document), file="acme.toml")


def test_without_an_account_twilio_is_told_nothing():
    assert texting([TWILIOS]).twilio_targets == ()


def test_with_one_it_is_told_for_services_and_numbers_and_for_no_telnyx_profile():
    brand = texting([TWILIOS, TELNYX], twilio_account=ACCOUNT)
    assert brand.twilio_targets == (TWILIOS, "+12025550101")


def test_or_for_services_alone():
    brand = texting([TWILIOS, TELNYX], twilio_account=ACCOUNT, twilio_numbers=False)
    assert brand.twilio_targets == (TWILIOS,)
    assert brand.remarks() == []


def test_numbers_that_may_be_another_providers_are_remarked_on():
    [remark] = texting([TELNYX], twilio_account=ACCOUNT).remarks()
    assert "twilio_numbers = false" in remark
    assert texting([TWILIOS], twilio_account=ACCOUNT).remarks() == []


def test_telnyx_profiles_are_no_services_to_tell_of():
    with pytest.raises(BrandRefusal) as refused:
        texting([TELNYX], twilio_account=ACCOUNT, twilio_numbers=False)
    assert "sms.twilio_numbers: needs messaging_services" in refused.value.problems[0]
