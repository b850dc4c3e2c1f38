"""From where a request comes."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.web.client import caller, customer, parsed

TRUSTED = (ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"), ip_network("::1/128"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),  # said by a stranger
        ("127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["192.0.2.9, 198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["192.0.2.9", "198.51.100.1, 10.0.0.3"], "198.51.100.1"),
        ("127.0.0.1", ["10.0.0.9"], None),
        ("127.0.0.1", [], None),
        ("127.0.0.1", ["unknown"], None),
        ("127.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("127.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("127.0.0.1", ['"[2001:db8::7]"'], "2001:db8::7"),
        ("::ffff:127.0.0.1", ["2001:db8::7"], "2001:db8::7"),
        ("::ffff:203.0.113.7", ["198.51.100.1"], "203.0.113.7"),
        ("fe80::1%eth0", [], "fe80::1"),
        (None, [], None),
    ],
)
def test_only_what_our_own_proxies_say_counts(peer, forwarded, expected):
    found = caller(peer, forwarded, TRUSTED)
    assert (str(found) if found else None) == expected


@given(st.text(max_size=60))
def test_whatever_is_said_is_read_or_is_nothing(text):
    assert parsed(text) is None or str(parsed(text))
    caller("127.0.0.1", [text], TRUSTED)


@given(st.ip_addresses(v=4).filter(lambda one: not any(one in net for net in TRUSTED)), st.text())
def test_a_stranger_cannot_make_up_another_address(address, text):
    assert caller(str(address), [text], TRUSTED) == address
    assert caller("127.0.0.1", [f"{text},{address}"], TRUSTED) == address


def test_an_ipv6_customer_is_one_whatever_address_is_used():
    one, other = ip_address("2001:db8:0:1::7"), ip_address("2001:db8:0:1:ffff::9")
    assert customer(one) == customer(other)
    assert customer(one) != customer(ip_address("2001:db8:0:2::7"))
    assert customer(ip_address("198.51.100.1")) == "198.51.100.1"
