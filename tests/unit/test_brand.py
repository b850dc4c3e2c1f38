import json
from dataclasses import replace

import pytest
from hypothesis import given, settings

from prefsvc.brand import Brand, Support, check_together
from prefsvc.errors import BrandRefusal, UnknownTopic
from prefsvc.honour import Promise, Span
from tests.unit.brand_documents import as_toml, documents, small

TEXTED = {
    "channels": ["email", "sms", "whatsapp"],
    "numbers": ["+12025550123"],
    "support": {"email": "care@acme.example.com"},
}


def brand(**changes):
    return Brand.from_toml(as_toml(small(**changes)), file="acme.toml")


@settings(deadline=None)  # calendars load at their first use
@given(documents())
def test_a_stored_brand_reads_as_it_was_written(document):
    first = Brand.from_toml(as_toml(document), file="any.toml")
    stored = json.loads(json.dumps(first.to_document()))
    assert Brand.from_document(stored) == first
    assert Brand.from_document(document) == first
    assert Brand.from_document(stored).to_document() == first.to_document()


def test_lists_whose_order_means_nothing_are_stored_in_one_order():
    one = brand(domains=["b.example.com", "a.example.com"], rules=["gmail", "can-spam"])
    other = brand(domains=["a.example.com", "b.example.com"], rules=["can-spam", "gmail"])
    assert one == other
    assert one.rules == ("can-spam", "gmail")


def test_what_a_file_leaves_out_has_its_default():
    acme = brand()
    assert acme.country is None
    assert acme.support == Support(email="", url="", phone="")
    assert acme.page.accent == "#1f4e79"
    assert acme.sms.replies_by_provider
    assert acme.topics[0].message_class == "marketing"
    assert (acme.promises, acme.rules, acme.domains, acme.numbers) == ((), (), (), ())


def test_a_promise_is_found_by_channel_and_by_purpose():
    acme = brand(
        country="US",
        promises={
            "email": {"target": "5 days", "window": "10 business days"},
            "third_party_sharing": {"window": "48 hours"},
        },
    )
    assert acme.promise("email") == Promise(
        "email", Span(10, "business_days"), Span(5, "calendar_days"), holidays="US"
    )
    sharing = acme.promise("third_party_sharing")
    assert sharing is not None
    assert sharing.window == Span(48, "hours")
    assert acme.promise("sms") is None
    assert acme.promise("whatsapp") is None


def test_without_a_promise_for_whatsapp_that_for_texts_counts():
    texts = {"window": "9 days", "target": "2 days"}
    promised = brand(**TEXTED, promises={"sms": texts})
    assert promised.promise("whatsapp") == replace(promised.promise("sms"), about="whatsapp")
    own = brand(**TEXTED, promises={"sms": texts, "whatsapp": {"window": "3 days"}})
    assert own.promise("whatsapp").window.written == "3 days"
    assert own.promise("sms").window.written == "9 days"
    assert Brand.from_document(promised.to_document()) == promised


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
def test_numbers_and_answers_belong_to_texts_on_either_channel(channel):
    acme = brand(**TEXTED | {"channels": ["email", channel]}, sms={"replies_by_provider": False})
    assert acme.numbers == ("+12025550123",)
    assert not Brand.from_document(acme.to_document()).replies_by_provider


def test_a_topic_is_found_by_slug_and_listed_by_channel():
    acme = brand(
        channels=["post", "email"],
        topics=[
            {"slug": "news", "name": "News", "channels": ["email"]},
            {"slug": "offers", "name": "Offers", "channels": ["post", "email"]},
        ],
    )
    assert acme.channels == ("email", "post")
    assert [topic.slug for topic in acme.topics_on("email")] == ["news", "offers"]
    assert [topic.slug for topic in acme.topics_on("post")] == ["offers"]
    assert acme.topic("offers").channels == ("email", "post")
    assert acme.find_topic("sales") is None
    with pytest.raises(UnknownTopic):
        acme.topic("sales")


def test_an_opt_out_covers_marketing_topics_only():
    acme = brand(
        topics=[
            {"slug": one, "name": one, "channels": ["email"], "message_class": one}
            for one in ("marketing", "transactional", "service")
        ]
    )
    assert [topic.slug for topic in acme.topics if topic.can_be_opted_out_of] == ["marketing"]


def test_texts_come_in_the_language_asked_for_or_else_the_default():
    acme = brand(
        names={"fr-CA": "Acmé"},
        topics=[
            {
                "slug": "news",
                "name": "News",
                "names": {"fr-CA": "Nouvelles"},
                "description": "What is new.",
                "descriptions": {"fr-CA": "Du neuf."},
                "frequency": "Weekly",
                "frequencies": {"fr-CA": "Par semaine"},
                "channels": ["email"],
            }
        ],
    )
    topic = acme.topic("news")
    assert (acme.name_in("fr-CA"), acme.name_in("en")) == ("Acmé", "Acme")
    assert (topic.name_in("fr-CA"), topic.name_in("en")) == ("Nouvelles", "News")
    assert (topic.description_in("fr-CA"), topic.description_in("en")) == (
        "Du neuf.",
        "What is new.",
    )
    assert (topic.frequency_in("fr-CA"), topic.frequency_in("en")) == ("Par semaine", "Weekly")


def test_a_text_over_several_lines_is_one_line():
    text = as_toml(small(topics=None)) + '[support]\nemail = "care@acme.example.com"\n[[topics]]\n'
    text += (
        'slug = "news"\nname = "News"\nchannels = ["email"]\ndescription = """\nNew\n  bags.\n"""'
    )
    assert Brand.from_toml(text, file="acme.toml").topic("news").description == "New bags."


def test_the_first_language_is_the_default():
    acme = brand()
    assert acme.default_language == "en"
    assert acme.language(["fr", "en"]) == "fr-CA"
    assert acme.language([]) == "en"


def test_one_contact_is_named_where_there_is_room_for_one():
    everything = {
        "email": "care@acme.example.com",
        "url": "https://acme.example.com/help",
        "phone": "+12025550123",
    }
    assert brand(support=everything).contact_text == "+12025550123"
    assert brand(support={"url": everything["url"]}).contact_text == everything["url"]
    assert brand().contact_text == ""


def test_brands_with_nothing_in_common_stand_together():
    check_together([brand(), brand(slug="globex", domains=["globex.example.com"])])
    check_together([])


@pytest.mark.parametrize(
    ("shared", "named"),
    [
        ({"domains": ["mail.example.com"]}, "domains: mail.example.com"),
        ({"numbers": ["+12025550123"]}, "numbers: +12025550123"),
        ({"messaging_services": ["MG" + "a" * 32]}, "messaging_services: MG" + "a" * 32),
    ],
)
def test_what_tells_brands_apart_belongs_to_one_of_them(shared, named):
    sms = {"channels": ["email", "sms"], "support": {"phone": "+12025550123"}}
    own = {"numbers": ["+12025550101"]}
    acme = brand(**sms | own | shared)
    globex = brand(**sms | {"numbers": ["+12025550102"]} | shared, slug="globex")
    with pytest.raises(BrandRefusal) as refused:
        check_together([acme, globex])
    assert refused.value.problems == (
        f"{named} is claimed by acme and globex; it can belong to one brand only",
    )


def test_two_files_with_one_slug_are_refused():
    with pytest.raises(BrandRefusal, match="slug: acme is claimed by acme and acme"):
        check_together([brand(), brand(name="Another")])
