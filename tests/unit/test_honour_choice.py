import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.honour import choose, load_rules, parse_rules, rules_of

EVERY = load_rules().values()
LISTED = rules_of(["can-spam", "casl", "gmail"])


def chosen(listed=LISTED, about="email", country=None, domain="gmail.com"):
    return choose(listed, about, country=country, recipient_domain=domain)


def ids(choice):
    return [rule.id for rule in choice.rules]


def test_where_the_country_is_not_known_the_brands_list_counts_as_it_is():
    found = chosen()
    assert (ids(found), found.added, found.dropped) == (["can-spam", "casl", "gmail"], (), ())


def test_a_country_drops_the_rules_of_others():
    found = chosen(country="US")
    assert (ids(found), found.added, found.dropped) == (["can-spam", "gmail"], (), ("casl",))


def test_a_country_adds_its_own_rules_though_the_brand_does_not_list_them():
    found = chosen(country="NZ")
    assert ids(found) == ["gmail", "new-zealand"]
    assert (found.added, found.dropped) == (("new-zealand",), ("can-spam", "casl"))


def test_a_country_without_rules_leaves_those_that_are_about_none():
    assert ids(chosen(country="DE")) == ["gmail"]
    assert ids(chosen(country="DE", domain="example.com")) == []


@pytest.mark.parametrize("territory", ["PR", "GU", "VI", "AS", "MP"])
def test_federal_law_holds_in_the_territories(territory):
    assert ids(chosen([], "sms", territory)) == ["tcpa", "do-not-call"]


def test_only_rules_about_the_same_matter_are_added():
    assert ids(chosen([], "sms", "US")) == ["tcpa", "do-not-call", "florida"]
    assert ids(chosen([], "third_party_sharing", "US")) == ["ccpa"]
    assert ids(chosen([], "post", "GB")) == ["uk-post"]
    assert ids(chosen([], "notice", "KR")) == ["korea"]


def test_mail_providers_rules_are_for_the_brand_to_list():
    assert ids(chosen([], country="US")) == ["can-spam"]


def test_a_rule_of_the_brands_own_that_shares_an_id_is_not_added_again():
    own = parse_rules("""
[can-spam]
title = "A law"
source = "a test"
window = "3 days"
counted_from = "received"
about = ["email"]
countries = ["US"]
""")
    assert chosen(own.values(), country="US").rules == tuple(own.values())


countries = st.sampled_from([*sorted({one for rule in EVERY for one in rule.countries}), "JP"])
abouts = st.sampled_from(["email", "sms", "post", "third_party_sharing"])
lists = st.lists(st.sampled_from(sorted(load_rules())), unique=True).map(rules_of)


@given(lists, abouts, countries)
def test_what_counts_is_the_list_and_the_country_and_nothing_else(listed, about, country):
    found = chosen(listed, about, country, domain=None)
    everything = {rule.id for rule in listed if about in rule.about}
    assert set(ids(found)) == (everything | set(found.added)) - set(found.dropped)
    assert not set(found.added) & everything
    assert set(found.dropped) <= everything
    for rule in EVERY:
        if country in rule.countries and about in rule.about:
            assert rule in found.rules
    assert all(country in rule.countries or not rule.countries for rule in found.rules)


@given(lists, abouts, countries)
def test_a_listed_rule_that_counts_is_no_longer_an_addition(listed, about, country):
    found = chosen(listed, about, country)
    again = chosen([*listed, *rules_of(found.added)], about, country)
    assert set(ids(again)) == set(ids(found))
    assert again.added == ()
