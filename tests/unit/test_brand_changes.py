from hypothesis import given, settings

from prefsvc.brand import Brand, difference
from tests.unit.brand_documents import documents, small


def between(old, new):
    return difference(Brand.from_document(old), Brand.from_document(new))


NEWS = {"slug": "news", "name": "News", "channels": ["email"]}
OFFERS = {"slug": "offers", "name": "Offers", "channels": ["email"]}


@settings(deadline=None)  # calendars load at their first use
@given(documents(), documents())
def test_brands_differ_exactly_where_something_is_said(old, new):
    assert between(old, old) == []
    assert bool(between(old, new)) == (Brand.from_document(old) != Brand.from_document(new))


def test_a_new_brand_is_said_in_one_sentence():
    new = Brand.from_document(small())
    assert difference(None, new) == ["acme is new: Acme, on email, with 1 topic."]


def test_a_changed_window_is_shown_before_and_after():
    old = small(promises={"email": {"window": "14 days"}})
    new = small(promises={"email": {"window": "10 days", "target": "5 days"}})
    assert between(old, new) == [
        'promises.email.target: "5 days" is new.',
        'promises.email.window: "14 days" becomes "10 days".',
    ]
    assert between(old, small()) == ['promises: email window "14 days" goes.']


def test_topics_are_told_apart_by_their_slugs():
    assert between(small(topics=[NEWS]), small(topics=[OFFERS])) == [
        "Topic news goes; its links keep working and its opt-outs stand.",
        "Topic offers is new: Offers, on email.",
    ]
    assert between(small(topics=[NEWS, OFFERS]), small(topics=[OFFERS, NEWS])) == [
        "The topics are shown in a new order: offers, news."
    ]
    renamed = NEWS | {"name": "What is new", "message_class": "service"}
    assert between(small(topics=[NEWS]), small(topics=[renamed])) == [
        'topic news.message_class: "marketing" becomes "service".',
        'topic news.name: "News" becomes "What is new".',
    ]


def test_lists_say_what_comes_and_what_goes():
    assert between(small(rules=["gmail"]), small(rules=["can-spam", "gmail"])) == [
        'rules: "can-spam" is new.'
    ]
    assert between(
        small(domains=["a.example.com", "b.example.com"]),
        small(domains=["b.example.com", "c.example.com"]),
    ) == ['domains: "a.example.com" goes, "c.example.com" is new.']
    assert between(small(languages=["en", "fr"]), small(languages=["fr", "en"])) == [
        'languages: the order becomes "fr", "en".'
    ]


def test_a_switch_is_shown_as_the_file_writes_it():
    sms = {
        "channels": ["email", "sms"],
        "numbers": ["+12025550123"],
        "support": {"phone": "+12025550123"},
    }
    assert between(small(**sms), small(**sms, sms={"replies_by_provider": False})) == [
        "sms.replies_by_provider: true becomes false."
    ]
