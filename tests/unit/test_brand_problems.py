import pytest

from prefsvc.brand import Brand
from prefsvc.errors import BrandRefusal
from tests.unit.brand_documents import as_toml, small

POST = {"channels": ["post"], "topics": []}
SMS = {
    "channels": ["email", "sms"],
    "numbers": ["+12025550123"],
    "support": {"phone": "+12025550123"},
}


def topic(**changes):
    return {"slug": "news", "name": "News", "channels": ["email"]} | changes


def problems_of(text):
    with pytest.raises(BrandRefusal) as refused:
        Brand.from_toml(text, file="acme.toml")
    assert refused.value.code == "invalid_brand"
    assert str(refused.value) == "\n".join(refused.value.problems)
    return list(refused.value.problems)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"slug": None}, "slug is missing"),
        ({"slug": "Acme"}, 'slug: "Acme" is no slug'),
        ({"slug": "-acme"}, 'slug: "-acme" is no slug'),
        ({"slug": "a" * 33}, "is no slug"),
        ({"slug": "acme\n"}, "is no slug"),
        ({"name": None}, "name is missing"),
        ({"name": " "}, "name: must not be empty"),
        ({"name": 1}, "name: must be text in quotes, not a number"),
        ({"name": "x" * 81}, "name: has 81 characters; the most is 80"),
        ({"name": "a\u0000b"}, "name: must not contain control characters"),
        ({"languages": None}, "languages is missing"),
        ({"languages": []}, "languages is missing"),
        ({"languages": "en"}, 'languages: must be a list, as in ["..."], not text'),
        ({"languages": ["english"]}, 'languages[0]: "english" is not a language tag'),
        ({"languages": ["en", "EN"]}, 'languages[1]: "EN" is there twice'),
        ({"names": {"de": "x"}}, "names.de: not a language in which a text can stand here"),
        ({"names": {"en": "x"}}, "names.en: not a language in which a text can stand here"),
        ({"names": {"fr-CA": ""}}, "names.fr-CA: must not be empty"),
        ({"time_zone": None}, "time_zone is missing"),
        ({"time_zone": "America/NewYork"}, 'did you mean "America/New_York"?'),
        ({"time_zone": "EDT+5"}, "is not an IANA time zone"),
        ({"time_zone": "../etc/passwd"}, "is not an IANA time zone"),
        ({"country": "XX"}, 'country: "XX" is not a country'),
        ({"country": "US-XX"}, 'country: "US-XX" is not a country'),
        ({"country": "US-"}, 'country: "US-" is not a country'),
        ({"channels": None}, "channels is missing"),
        ({"channels": ["emial"]}, 'did you mean "email"? allowed: email, post, sms, whatsapp'),
        ({"channels": ["email", "email"]}, 'channels[1]: "email" is there twice'),
        ({"domains": ["https://x.example.com"]}, 'domains[0]: "https://x.example.com" is not'),
        ({"domains": ["X.example.com"]}, "write it in lower case"),
        ({"domains": ["localhost"]}, "is not a domain"),
        ({"domains": ["a.example.com"] * 2}, 'domains[1]: "a.example.com" is there twice'),
        ({"support": {"email": "care"}}, "support.email: is not an email address"),
        ({"support": {"url": "http://acme.example.com"}}, "support.url:"),
        ({"support": {"url": "https://me@acme.example.com"}}, "support.url:"),
        ({"support": {"url": "https://acme.example.com/a b"}}, "support.url:"),
        ({"support": {"url": "https://[::1"}}, "support.url:"),
        ({"support": {"phone": "2025550123"}}, "support.phone:"),
        ({"support": {"fax": "+12025550123"}}, "support.fax: no such key; allowed: email"),
        ({"support": "care"}, "support: must be a table, not text"),
        ({"page": {"accent": "red"}}, 'page.accent: "red" is not a colour'),
        ({"page": {"accent": "#777"}}, 'page.accent: "#777" is not a colour'),
        ({"page": {"accent": "#777777"}}, "has a contrast of 4.48 with white; 4.5 is needed"),
        ({"page": {"logo_text": "x" * 41}}, "page.logo_text: has 41 characters"),
        ({"page": {"logo": "x"}}, 'page.logo: no such key; did you mean "logo_text"?'),
        ({"rules": ["canspam"]}, 'did you mean "can-spam"?'),
        ({"rules": ["house-default"]}, "is not known here"),
        ({"rules": [True]}, "rules[0]: must be text in quotes, not true or false"),
        ({"langauges": ["en"]}, 'langauges: no such key; did you mean "languages"?'),
        ({"promises": {"sms": {"window": "1 day"}}}, "promises.sms: the brand has no channel sms"),
        ({"promises": {"fax": {"window": "1 day"}}}, "promises.fax: no such channel or purpose"),
        ({"promises": {"email": {}}}, "promises.email: window is missing"),
        ({"promises": {"email": {"window": "2 weeks"}}}, 'is not "14 days"'),
        ({"promises": {"email": {"window": "0 days"}}}, "promises.email.window: must be at least"),
        ({"promises": {"email": {"window": 14}}}, "must be text in quotes, not a number"),
        ({"promises": {"email": {"window": "9999 days"}}}, "from 0 to 1000"),
        ({"promises": {"email": {"window": "9 days", "goal": "1 day"}}}, "no such key; allowed"),
        ({"promises": {"email": "10 days"}}, "promises.email: must be a table, not text"),
        ({"topics": {"slug": "news"}}, "topics: must be tables, each under [[topics]]"),
        ({"topics": ["news"]}, "topics[0]: must be a table, not text"),
        ({"topics": [topic(), topic()]}, 'topics[1].slug: another topic has the slug "news"'),
        ({"topics": [topic(channels=["sms"])]}, "topics[0].channels: the brand has no channel sms"),
        ({"topics": [topic(channels=[])]}, "topics[0]: channels is missing"),
        ({"topics": [topic(message_class="spam")]}, 'message_class: "spam" is not known here'),
        ({"topics": [topic(names={"de": "x"})]}, "topics[0].names.de: not a language"),
        ({"topics": [topic(frequenzy="x")]}, 'did you mean "frequency"?'),
        ({"numbers": ["+12025550123"]}, "numbers: is for the channel sms or whatsapp"),
        ({"sms": {}}, "sms: is for the channel sms or whatsapp"),
        (POST | {"domains": ["a.example.com"]}, "domains: is for the channel email"),
        (SMS | {"numbers": []}, "the channel sms needs numbers or messaging_services"),
        (SMS | {"support": None}, "the channel sms needs a contact under [support]"),
        (SMS | {"channels": ["whatsapp"], "numbers": [], "topics": []},
         "the channel whatsapp needs numbers or messaging_services"),
        (SMS | {"channels": ["whatsapp"], "support": None, "topics": []},
         "the channel whatsapp needs a contact under [support]"),
        (SMS | {"numbers": ["2025550123"]}, 'numbers[0]: "2025550123" is not a number in E.164'),
        (SMS | {"numbers": ["+1202555012"]}, "is not a number in E.164"),
        (SMS | {"numbers": ["+9991234567"]}, "is not a number in E.164"),
        (SMS | {"numbers": ["+12025550123"] * 2}, 'numbers[1]: "+12025550123" is there twice'),
        (SMS | {"messaging_services": ["MG12"]}, "write MG and 32 of 0-9 a-f"),
        (SMS | {"messaging_services": ["40017D4E-0000-4000-8000-0123456789AB"]}, "(Telnyx)"),
        (SMS | {"messaging_services": ["40017d4e0000400080000123456789ab"]}, "(Telnyx)"),
        (SMS | {"sms": {"replies_by_provider": "no"}}, "must be true or false, not text"),
        (SMS | {"sms": {"twilio_account": "AC12"}}, "write AC and 32 of 0-9 a-f"),
        (SMS | {"sms": {"twilio_numbers": False}}, "sms.twilio_numbers: needs messaging"),
        (SMS | {"sms": {"replies": {"stopp": {}}}}, 'stopp: no such key; did you mean "stop"?'),
        (SMS | {"sms": {"replies": {"stop": {"de": "x"}}}}, "sms.replies.stop.de: not a language"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_once_with_its_key_and_what_is_allowed(changes, said):
    found = problems_of(as_toml(small(**changes)))
    assert len(found) == 1, found
    assert said in found[0]


def test_every_mistake_is_found_at_once_with_its_line_in_the_order_of_the_file():
    found = problems_of(
        """slug = "Acme Inc"
languages = ["en", "klingon"]
time_zone = "America/New_York" # fine

channels = [
  "emial",
  "sms",
]
sms.replies.stop.en = "See acme.example.com"
[promises.email]
target = "10 business days"
window = "12 days"
[[topics]]
slug = "a"
name = "A"
channels = ["email"]
[[topics]]
description = '''
[[topics]]
slug = 1
'''
slug = "b"
channels = ["email"]
message_class = "marketting"
[topics.names]
en = "B"
"""
    )
    assert [one.partition(": ")[0] for one in found] == [
        "acme.toml",  # name: it stands on no line
        "acme.toml:1",
        "acme.toml:2",
        "acme.toml:5",
        "acme.toml:9",
        "acme.toml:12",
        "acme.toml:17",
        "acme.toml:24",
        "acme.toml:26",
    ]
    assert [one.split(": ")[1] for one in found] == [
        "name is missing",
        "slug",
        "languages[1]",
        "channels[0]",
        "sms.replies.stop.en",
        "promises.email.window",
        "topics[1]",
        "topics[1].message_class",
        "topics[1].names.en",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("slug = ", "acme.toml: Invalid value (at end of document)"),
        ('slug = "a"\nname = x', "acme.toml:2:8: Invalid value"),
        ('slug = "a"\nslug = "b"\n', "acme.toml:2:11: Cannot overwrite a value"),
    ],
)
def test_broken_toml_is_named_with_its_place(text, said):
    assert problems_of(text) == [said]


def test_what_contradicts_a_mistake_is_no_second_one():
    changes = SMS | {"channels": ["sms", "emial"], "promises": {"email": {"window": "1 day"}}}
    assert len(problems_of(as_toml(small(**changes)))) == 1


@pytest.mark.parametrize(
    ("target", "window"),
    [
        ("15 days", "14 days"),
        ("49 hours", "2 days"),
        ("10 business days", "13 days"),  # from a Saturday to the end of a Friday
        ("12 days", "10 business days"),  # from a Monday to the end of a Friday
    ],
)
def test_a_window_that_could_end_before_its_target_is_refused(target, window):
    found = problems_of(as_toml(small(promises={"email": {"target": target, "window": window}})))
    assert "comes first" in found[0]


@pytest.mark.parametrize(
    ("target", "window"),
    [
        ("14 days", "14 days"),
        ("48 hours", "2 days"),
        ("10 business days", "14 days"),
        ("11 days", "10 business days"),
    ],
)
def test_a_window_that_ends_with_its_target_or_after_stands(target, window):
    text = as_toml(small(promises={"email": {"target": target, "window": window}}))
    assert Brand.from_toml(text, file="acme.toml").promise("email") is not None


def test_a_short_code_is_a_number_that_texts_come_from():
    text = as_toml(small(**SMS | {"numbers": ["555012", "+12025550123"]}))
    assert Brand.from_toml(text, file="acme.toml").numbers == ("+12025550123", "555012")


def test_a_stored_brand_that_is_not_understood_is_refused_too():
    with pytest.raises(BrandRefusal) as refused:
        Brand.from_document(small(promise_of_the_future="1 hour"))
    assert refused.value.problems[0].startswith("stored brand: promise_of_the_future: no such key")


def test_a_list_that_is_too_long_is_refused_without_a_word_on_each_entry():
    topics = [{"slug": f"t{n}", "name": "T", "channels": ["email"]} for n in range(201)]
    found = problems_of(as_toml(small(topics=topics)))
    assert found == ["acme.toml:6: topics: has 201 entries; the most is 200"]
    many = [f"d{n}.example.com" for n in range(2001)]
    assert "the most is 2000" in problems_of(as_toml(small(domains=many)))[0]
