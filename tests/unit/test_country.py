import pytest

from prefsvc.address import Address
from prefsvc.country import country_name, known_country, parse_country
from prefsvc.errors import UnknownCountry


def test_a_country_is_its_two_letters_in_iso_3166():
    assert parse_country("NZ") == "NZ"
    assert country_name("NZ") == "New Zealand"
    assert known_country("GB") == "GB"


@pytest.mark.parametrize("text", ["", "nz", "NZL", "UK", "EU", "ZZ", "001", " NZ", "NZ\n", "#"])
def test_nothing_else_is_a_country(text):
    assert known_country(text) is None
    with pytest.raises(UnknownCountry) as refused:
        parse_country(text, pointer="/country")
    assert refused.value.pointer == "/country"


def test_a_country_that_is_no_more_is_called_by_its_code():
    assert country_name("YU") == "YU"


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+12025550123", "US"),
        ("+14165550123", "CA"),
        ("+17875550123", "PR"),
        ("+447400123456", "GB"),
        ("+61412345678", "AU"),
        ("+6421123456", "NZ"),
        ("+6581234567", "SG"),
        ("+85251234567", "HK"),
        ("+77012345678", "KZ"),
        # Shared between countries, of none, or not a number that is given out.
        ("+18005550123", None),
        ("+80012345678", None),
        ("+870301234567", None),
        ("+12005550123", None),
        ("+99912345678", None),
    ],
)
def test_a_phone_number_tells_its_country_where_that_is_sure(number, country):
    assert Address.for_opt_out("sms", number).country == country


@pytest.mark.parametrize(("channel", "text"), [("email", "ann@example.nz"), ("post", "k-7")])
def test_no_other_address_tells_a_country(channel, text):
    assert Address.for_opt_out(channel, text).country is None
