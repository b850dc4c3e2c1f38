from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.mail import spf
from prefsvc.mail.spf import Envelope, Question

PEER = "192.0.2.10"


def answered(asking, records):
    """Run a check against what is published; None stands for a name server that is away."""
    asked, answer = [], None
    try:
        question = next(asking)
        while True:
            asked.append(question)
            answer = records.get((question.kind, question.name), [])
            question = asking.send(answer)
    except StopIteration as done:
        return done.value, asked


def result(record, *, peer=PEER, sender="ann@example.org", **more):
    records = {("TXT", "example.org"): record if isinstance(record, list) else [record]}
    records |= {tuple(name.split(" ")): answer for name, answer in more.get("names", {}).items()}
    return answered(spf.check(Envelope(ip_address(peer), sender, "mx.example.org")), records)[0]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", "pass"),
        ("v=spf1 ip4:192.0.2.10 -all", "pass"),
        ("v=spf1 ip4:198.51.100.1 -all", "fail"),
        ("V=SPF1 ~ALL", "softfail"),
        ("v=spf1 ?all", "neutral"),
        ("v=spf1", "neutral"),
        ("v=spf1 -ip4:192.0.2.10 +all", "fail"),
        ("v=spf1 a -all", "pass"),
        ("v=spf1 a:host.example.org//64 -all", "fail"),
        ("v=spf1 a:host.example.org/24 -all", "pass"),
        ("v=spf1 mx -all", "pass"),
        ("v=spf1 include:other.example.net -all", "pass"),
        ("v=spf1 include:nowhere.example.net -all", "permerror"),
        ("v=spf1 redirect=other.example.net", "pass"),
        ("v=spf1 redirect=nowhere.example.net", "permerror"),
        ("v=spf1 exists:%{ir}.list.%{d2} -all", "pass"),
        ("v=spf1 exists:%{l}.%{o} -all", "fail"),
        ("v=spf1 exists:%(l).example.org -all", "permerror"),
        ("v=spf1 ptr -all", "fail"),
        ("v=spf1 exp=why.%{d} -all", "fail"),
        ("v=spf1 nonsense -all", "permerror"),
        ("v=spf1 ip4:999.0.2.10 -all", "permerror"),
        ("v=spf10 -all", "none"),
        ("something else", "none"),
        (["v=spf1 -all", "v=spf1 +all"], "permerror"),
        ([], "none"),
        (None, "temperror"),
    ],
)
def test_a_record_says_who_may_send(record, expected):
    names = {
        "A example.org": [PEER],
        "A host.example.org": ["192.0.2.99"],
        "MX example.org": ["mx.example.org"],
        "A mx.example.org": [PEER],
        "TXT other.example.net": ["v=spf1 ip4:192.0.2.10 -all"],
        "A 10.2.0.192.list.example.org": ["127.0.0.2"],
    }
    if record is None:
        asking = spf.check(Envelope(ip_address(PEER), "ann@example.org", ""))
        assert answered(asking, {("TXT", "example.org"): None})[0] == expected
    else:
        assert result(record, names=names) == expected


def test_ipv6_is_asked_for_by_its_own_records():
    names = {"AAAA example.org": ["2001:db8::10"]}
    assert result("v=spf1 a -all", peer="2001:db8::10", names=names) == "pass"
    assert result("v=spf1 ip6:2001:db8::/32 -all", peer="2001:db8::10") == "pass"
    assert result("v=spf1 ip4:192.0.2.0/24 -all", peer="2001:db8::10") == "fail"


def test_a_name_server_that_is_away_in_the_middle_leaves_it_unknown():
    assert result("v=spf1 a -all", names={"A example.org": None}) == "temperror"
    assert (
        result("v=spf1 include:x.example.net -all", names={"TXT x.example.net": None})
        == "temperror"
    )


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 include:example.org -all",
        "v=spf1 redirect=example.org",
        "v=spf1 " + " ".join(f"a:h{n}.example.org" for n in range(50)) + " -all",
        "v=spf1 " + " ".join(f"include:{n}.example.net" for n in range(50)) + " -all",
        "v=spf1 mx -all",
    ],
)
def test_no_record_has_more_asked_than_the_standard_allows(record):
    records = {("TXT", "example.org"): [record]}
    records |= {("TXT", f"{n}.example.net"): ["v=spf1 ?all"] for n in range(50)}
    records |= {("MX", "example.org"): [f"h{n}.example.org" for n in range(50)]}
    records |= {("A", f"h{n}.example.org"): ["198.51.100.1"] for n in range(50)}
    found, asked = answered(spf.check(Envelope(ip_address(PEER), "ann@example.org", "")), records)
    assert found == "permerror"
    assert len(asked) <= 1 + spf.LOOKUPS_MAX


def test_names_that_do_not_exist_are_asked_about_twice_at_the_most():
    record = "v=spf1 " + " ".join(f"a:gone{n}.example.org" for n in range(9)) + " +all"
    assert result(record) == "permerror"


@given(st.text(alphabet="v=spf1 +-~?all:includeamxptr/0123456789.%{}sd", max_size=80))
def test_any_record_is_read(text):
    assert result(f"v=spf1 {text}") in {"pass", "fail", "softfail", "neutral", "permerror"}


@pytest.mark.parametrize(
    ("host", "peer"),
    [("::ffff:192.0.2.10", PEER), (PEER, PEER), ("2001:db8::1%eth0", "2001:db8::1"), ("", "None")],
)
def test_who_is_connected_is_known_by_the_plain_address(host, peer):
    assert str(spf.peer_of(host)) == peer


def test_the_first_question_is_for_the_senders_domain():
    envelope = Envelope(ip_address(PEER), "ann@Example.ORG", "")
    assert next(spf.check(envelope)) == Question("TXT", "example.org")
