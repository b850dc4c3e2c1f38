import json
from itertools import chain
from urllib.parse import unquote

import pytest

from prefsvc.list_headers import parse_list_unsubscribe
from prefsvc.mail import read
from prefsvc.mail.reading import Reading
from tests.unit.mail.corpora import sets
from tests.unit.mail.letters import letter


@pytest.fixture(scope="module")
def samples(corpora):
    return sets(corpora)


def misread(samples):
    return [one.name for one in samples if read(one.raw).outcome not in one.right]


def test_at_least_95_in_100_hard_bounces_are_found(samples):
    hard = samples["bounces, hard"]
    assert len(hard) > 70
    assert len(misread(hard)) <= len(hard) * 0.05


def test_at_most_2_in_100_other_bounces_are_called_hard(samples):
    soft = samples["bounces, for another reason"]
    assert len(soft) > 170
    assert len(misread(soft)) <= len(soft) * 0.02


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("complaints", 9),
        ("automatic replies", 2),
        ("not bounces", 3),
        ("replies, request quoted with >", 180),
        ("replies, request by the person", 100),
    ],
)
def test_every_message_of_a_set_is_read_rightly(samples, name, count):
    assert len(samples[name]) >= count
    assert misread(samples[name]) == []


@pytest.mark.parametrize(
    "name", ["replies, request in what is pasted", "replies, request in quoted HTML"]
)
def test_at_most_two_requests_in_pasted_messages_are_taken_for_the_persons(samples, name):
    assert len(samples[name]) > 40
    assert len(misread(samples[name])) <= 2


def test_no_report_or_automatic_reply_is_an_opt_out(samples):
    reports = chain.from_iterable(
        samples[name] for name in ("bounces, hard", "bounces, for another reason")
    )
    assert [one.name for one in reports if read(one.raw).outcome in {"opt_out", "ask"}] == []


def test_a_dead_address_is_never_the_one_that_the_report_went_to(samples):
    for sample in samples["bounces, hard"]:
        found: Reading = read(sample.raw)
        to = sample.raw.partition(b"\nTo:")[2].partition(b"\n")[0].decode("latin-1").lower()
        assert found.address is None or found.address not in to, sample.name


def test_the_mail_that_any_mailto_asks_for_is_an_opt_out(corpora):
    rows = json.loads(
        (corpora / "email/list_unsubscribe_wild_spamassassin.json").read_text("utf-8")
    )
    queries = {
        unquote(uri.partition("?")[2])
        for row in rows
        for uri in parse_list_unsubscribe(row["list_unsubscribe"])
        if uri.lower().startswith("mailto:") and "?" in uri
    }
    assert len(queries) > 4
    for query in queries:
        name, _, value = query.partition("=")
        raw = letter(**{name.lower(): value})
        assert read(raw).outcome == "opt_out", query
