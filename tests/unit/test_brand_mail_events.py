from functools import partial

import pytest

from prefsvc.brand import Brand, check_together, difference
from prefsvc.brands import AppliedBrand, BrandBook
from prefsvc.errors import BrandRefusal
from tests.mail_events.providers import TOPIC, acme_with_sources
from tests.support.brand_files import brand, problems, table
from tests.support.cast import GLOBEX

SENDGRID = {"name": "sendgrid-main", "provider": "sendgrid"}
source = partial(table, "mail_events")


def test_a_source_is_read_and_written_the_same():
    made = acme_with_sources()
    assert Brand.from_document(made.to_document()) == made
    [sendgrid] = [one for one in made.mail_events if one.provider == "sendgrid"]
    assert sendgrid.topic_of("12345") == "news"
    assert sendgrid.topic_of("1") is None
    [ses] = [one for one in made.mail_events if one.provider == "ses"]
    assert (ses.sns_topic, ses.region) == (TOPIC, "us-east-1")


def test_applying_a_source_says_so_and_again_does_not():
    assert any("mail_events" in line for line in difference(brand(), acme_with_sources()))
    assert not difference(acme_with_sources(), acme_with_sources())


@pytest.mark.parametrize(
    ("tables", "complaint"),
    [
        ([source(provider="sendgrid")], "mail_events[0]: name is missing"),
        ([source(name="a")], "mail_events[0]: provider is missing"),
        ([source(name="A b", provider="sendgrid")], "is no slug"),
        ([source(name="a", provider="sendgird")], 'did you mean "sendgrid"?'),
        ([source(**SENDGRID), source(**SENDGRID)], "another source has the name"),
        ([source(**SENDGRID, secret="s")], "secret: no such key"),
        ([source(name="a", provider="ses")], "sns_topic is what ses needs"),
        ([source(**SENDGRID, sns_topic=TOPIC)], "sns_topic is what ses needs"),
        ([source(name="a", provider="ses", sns_topic="arn:aws:sqs:x")], "is no SNS topic"),
        ([source(**SENDGRID), '[mail_events.topics]\n"1" = "sport"'], "no such topic"),
        ([source(**SENDGRID), '[mail_events.topics]\n"1" = "orders"'], "no opt-out covers it"),
        ([source(**SENDGRID), '[mail_events.topics]\n"1" = 2'], "must be text in quotes"),
        ([source(**SENDGRID), '[mail_events.topics]\n"" = "news"'], "must have 1 to 256"),
        (["[mail_events]\nname = 'a'"], "each under [[mail_events]]"),
    ],
)
def test_what_is_wrong_with_a_source_is_said(tables, complaint):
    assert complaint in problems(*tables)


def test_a_topic_that_is_not_sent_by_email_is_no_lists():
    texts = '[[topics]]\nslug = "alerts"\nname = "Alerts"\nchannels = ["sms"]\n'
    said = problems(texts, source(**SENDGRID), '[mail_events.topics]\n"1" = "alerts"')
    assert "the topic alerts is not sent by email" in said


def test_a_brand_without_email_has_no_mail_events():
    without = GLOBEX.replace('["email", "sms"]', '["sms"]')
    assert "is for the channel email" in problems(source(**SENDGRID), of=without)


def test_a_source_belongs_to_one_brand():
    with pytest.raises(BrandRefusal, match="sendgrid-main is claimed by acme and globex"):
        check_together([brand(source(**SENDGRID)), brand(source(**SENDGRID), of=GLOBEX)])


def test_a_source_is_found_by_its_name_even_of_a_retired_brand():
    book = BrandBook.of([AppliedBrand(1, brand(source(**SENDGRID)), retired_at=None)], [b"k" * 32])
    found, one = book.by_mail_source["sendgrid-main"]
    assert (found.slug, one.provider) == ("acme", "sendgrid")
