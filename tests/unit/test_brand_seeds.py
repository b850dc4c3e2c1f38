"""What the five brands that ship say, row by row of the promises they must keep."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from prefsvc import honour
from prefsvc.brand import Brand, check_together
from prefsvc.honour import Moments, Span

FOLDER = Path(__file__).parents[2] / "deploy" / "brands"
BRANDS = {
    path.stem: Brand.from_toml(path.read_text("utf-8"), file=path.name)
    for path in sorted(FOLDER.glob("*.toml"))
}
NOON = datetime(2026, 11, 20, 17, tzinfo=UTC)  # a Friday, noon in New York


def deadline(slug, channel, domain=None):
    brand = BRANDS[slug]
    return honour.deadline(
        honour.rules_of(brand.rules),
        brand.promise(channel),
        Moments(received_at=NOON, recorded_at=NOON),
        channel=channel,
        recipient_domain=domain,
        time_zone=brand.time_zone,
    )


def marketing(slug, channel):
    topics = BRANDS[slug].topics_on(channel)
    return {topic.slug for topic in topics if topic.can_be_opted_out_of}


def exempt(slug, message_class):
    return {one.slug for one in BRANDS[slug].topics if one.message_class == message_class}


def test_the_five_ship_and_stand_together():
    assert list(BRANDS) == [
        "1-atelier",
        "atelier-enterprise",
        "dear-scarlett",
        "ducallier",
        "petite-studio",
    ]
    assert all(slug == brand.slug for slug, brand in BRANDS.items())
    check_together(BRANDS.values())


@pytest.mark.parametrize("slug", BRANDS)
def test_no_real_address_or_number_ships(slug):
    brand = BRANDS[slug]
    hosts = [*brand.domains, brand.support.email.rpartition("@")[2]]
    assert all(host.endswith((".example.com", ".example.org")) for host in hosts)
    phones = [*brand.numbers, *filter(None, [brand.support.phone])]
    assert all(phone.startswith("+120255501") and len(phone) == 12 for phone in phones)


@pytest.mark.parametrize("slug", BRANDS)
def test_every_marketing_topic_says_its_name_in_every_language(slug):
    brand = BRANDS[slug]
    for topic in brand.topics:
        assert [language for language, _ in topic.names] == sorted(brand.languages[1:])


def test_row_13_who_writes_to_the_mailbox_is_told_that_it_was_heard():
    mail = BRANDS["ducallier"].mail
    assert mail.unsubscribe == ("unsubscribe@ducallier.example.org",)
    assert mail.has_receipts
    assert [slug for slug, brand in BRANDS.items() if brand.mail.has_receipts] == ["ducallier"]


def test_row_1_an_unsubscribe_is_honoured_in_ten_days_though_the_law_gives_longer():
    promise = BRANDS["1-atelier"].promise("email")
    assert promise is not None
    assert promise.window == Span(10, "calendar_days")
    found = deadline("1-atelier", "email", "example.com")
    assert found.conservative_at == NOON + timedelta(days=10)
    assert (found.set_by, [one.id for one in found.reckonings]) == (
        "promise",
        ["can-spam", "promise"],
    )


def test_rows_2_and_3_what_is_subscribed_to_can_be_stopped_and_order_mails_cannot():
    assert marketing("1-atelier", "email") == {"newsletter", "offers"}
    assert exempt("1-atelier", "transactional") == {"orders", "answers"}


def test_row_4_post_has_a_window_for_what_is_in_production():
    assert deadline("1-atelier", "post").set_by == "promise"
    assert marketing("1-atelier", "post") == {"offers", "catalogue"}


def test_row_5_the_brand_has_email_and_other_channels():
    assert BRANDS["1-atelier"].channels == ("email", "post")


def test_rows_6_to_8_two_services_each_have_topics_of_their_own():
    assert BRANDS["atelier-enterprise"].channels == ("email", "post")
    assert marketing("atelier-enterprise", "email") == {"product-updates", "price-lists", "events"}
    assert marketing("atelier-enterprise", "post") == {"price-lists", "samples"}


def test_row_9_sharing_has_a_clock_though_no_number_of_days_is_published():
    assert BRANDS["atelier-enterprise"].promise("third_party_sharing") is None
    assert deadline("atelier-enterprise", "third_party_sharing").set_by == "house-default"


def test_row_10_news_offers_and_newsletters_can_each_be_stopped():
    assert marketing("dear-scarlett", "email") == {"news", "offers", "newsletter"}


def test_row_11_service_announcements_cannot_be_opted_out_of():
    assert exempt("dear-scarlett", "service") == {"service-announcements"}


def test_row_12_there_is_a_telephone_number_to_ask():
    assert BRANDS["dear-scarlett"].support.phone


def test_rows_13_and_15_mail_to_the_brands_domains_finds_it():
    brand = BRANDS["ducallier"]
    assert brand.support.email.rpartition("@")[2] in brand.domains


def test_row_14_the_target_is_five_days_and_the_window_fourteen():
    found = deadline("ducallier", "email", "example.com")
    assert found.target_at == NOON + timedelta(days=5)
    assert found.conservative_at == NOON + timedelta(days=14)


def test_row_16_sharing_with_third_parties_has_its_own_clock():
    found = deadline("ducallier", "third_party_sharing")
    assert (found.set_by, found.target_at) == ("promise", None)
    assert found.conservative_at == NOON + timedelta(days=14)


def test_row_17_a_stop_to_any_number_is_a_stop_to_the_brand():
    brand = BRANDS["petite-studio"]
    assert len(brand.numbers) == 3
    assert len(brand.messaging_services) == 1
    assert brand.replies_by_provider
    assert set(brand.reply_texts("en-US")) == {"stop", "help", "start"}
    assert deadline("petite-studio", "sms").set_by == "tcpa"


def test_row_18_nothing_is_promised_about_sharing_numbers_for_they_are_not_shared():
    assert [promise.about for promise in BRANDS["petite-studio"].promises] == []


def test_row_19_support_can_be_reached_in_every_way():
    support = BRANDS["petite-studio"].support
    assert all([support.email, support.url, support.phone])


def test_row_20_order_messages_come_after_opting_out():
    assert exempt("petite-studio", "transactional") == {"orders"}
    assert "orders" in {topic.slug for topic in BRANDS["petite-studio"].topics_on("sms")}


@pytest.mark.parametrize(
    ("domain", "set_by"),
    [("gmail.com", "gmail"), ("yahoo.co.uk", "yahoo"), ("example.com", "can-spam")],
)
def test_mailbox_providers_set_the_deadline_of_their_own_mailboxes(domain, set_by):
    assert deadline("petite-studio", "email", domain).set_by == set_by
    assert deadline("dear-scarlett", "email", domain).set_by == set_by
