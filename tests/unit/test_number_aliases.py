import re

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.address import Address
from prefsvc.errors import InvalidAddress
from prefsvc.number_aliases import aliases

PAIRS = [
    # Mexico.
    ("+5215555550123", "+525555550123"),
    # Argentina: Buenos Aires, and a place with an area code of four digits.
    ("+5491155550123", "+541155550123"),
    ("+5492966555012", "+542966555012"),
    # Brazil.
    ("+5511999990123", "+551199990123"),
    ("+5555969990123", "+555569990123"),
    # Côte d'Ivoire: Orange, MTN, Moov; mobile, then landline.
    ("+2250707000123", "+22507000123"),
    ("+2250749000123", "+22549000123"),
    ("+2250504000123", "+22504000123"),
    ("+2250596000123", "+22596000123"),
    ("+2250101000123", "+22501000123"),
    ("+2250172000123", "+22572000123"),
    ("+2252720200123", "+22520200123"),
    ("+2252736800123", "+22536800123"),
    ("+2252520000123", "+22520000123"),
    ("+2252120800123", "+22520800123"),
]
WITHOUT = [
    *("+12025550123", "+4915112345678", "+33612345678", "+447700900123", "+5712345678"),
    "+551155550123",  # a landline in Brazil
    "+5511955550123",  # a Brazilian mobile of after the change: there never was another of it
    "+5510999990123",  # no area code
    "+5215555501",  # too short to be one of Mexico
    "+52155555501234",
    "+541555550123",  # no area code
    "+2250808000123",  # no operator's prefix
    "+2250704000123",  # Orange's prefix before a number that was MTN's
    "+22590000123",  # shared-revenue numbers kept eight digits
    "+22500000123",
]

national = st.text("0123456789", min_size=6, max_size=11)
numbers = st.one_of(
    st.builds(str.__add__, st.sampled_from(["+52", "+521", "+54", "+549", "+55"]), national),
    st.builds(
        "+55{}{}{}".format,
        st.integers(10, 99),
        st.sampled_from(["", "9"]),
        st.from_regex(r"[0-9]{8}", fullmatch=True),
    ),
    st.builds(
        "+225{}{}".format,
        st.sampled_from(["", "01", "05", "07", "21", "25", "27"]),
        st.from_regex(r"[0-9]{8}", fullmatch=True),
    ),
    st.builds("+{}{}".format, st.integers(1, 999), national),
)


def is_long_enough(number):
    """Some are short codes: a trunk prefix does not count among the digits."""
    try:
        Address.for_opt_out("sms", number)
    except InvalidAddress:
        return False
    return True


readable = numbers.filter(is_long_enough)


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_both_spellings_lead_to_each_other(one, other):
    assert aliases(one) == (other,)
    assert aliases(other) == (one,)


@pytest.mark.parametrize("number", WITHOUT)
def test_what_has_one_spelling_has_no_other(number):
    assert aliases(number) == ()


@given(numbers)
def test_what_is_a_spelling_of_another_has_it_as_one_of_its_own(number):
    for other in aliases(number):
        assert other != number
        assert number in aliases(other)


@given(numbers)
def test_every_spelling_is_a_whole_number_of_the_same_country(number):
    found = aliases(number)
    assert len(found) == len(set(found))
    for other in found:
        assert re.fullmatch(r"\+[1-9][0-9]{6,14}", other)
        assert code(other) == code(number) in {"52", "54", "55", "225"}


def code(number):
    return str(phonenumbers.parse(number).country_code)


@given(
    st.builds("+55{}{}".format, st.integers(11, 99), st.from_regex("[2-5][0-9]{7}", fullmatch=True))
)
def test_a_landline_of_brazil_gets_no_ninth_digit(number):
    assert aliases(number) == ()


@given(readable)
def test_a_spelling_is_the_canonical_form_of_itself(number):
    """Or a sender that asks about it would ask about another address."""
    for other in aliases(Address.for_opt_out("sms", number).canonical):
        assert Address.for_opt_out("sms", other).canonical == other


@given(readable)
def test_both_spellings_are_of_one_country_so_that_one_deadline_counts(number):
    address = Address.for_opt_out("sms", number)
    assert {other.country for other in address.aliases} <= {address.country}


@pytest.mark.parametrize(
    ("channel", "text"), [("email", "+525555550123@example.org"), ("post", "+525555550123")]
)
def test_what_is_no_phone_number_has_no_other_spelling(channel, text):
    assert Address.for_opt_out(channel, text).aliases == ()


def test_the_country_is_known_by_the_new_spelling():
    assert Address.for_opt_out("sms", "+5215555550123").country == "MX"
    assert Address.for_opt_out("sms", "+22507000123").country == "CI"


@pytest.mark.parametrize("pair", PAIRS)
def test_whoever_is_known_by_an_old_spelling_can_agree_again(pair):
    for number in pair:
        assert Address.for_opt_in("sms", number).canonical == number
