import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.mail.message import parse
from prefsvc.mail.stamps import authentication, read
from prefsvc.mail.stamps import parse as results

OURS = ["mx.acme.example.com", "backend.acme.example.com"]
FROM_OUTSIDE = "from out.example.org (x [203.0.113.9]) by mx.acme.example.com (Postfix) with ESMTPS"
HANDED_ON = "from mx.acme.example.com (localhost [127.0.0.1]) by backend.acme.example.com with LMTP"
PASSED = (
    "mx.acme.example.com; dkim=pass (2048-bit) header.d=example.org;"
    " spf=pass smtp.mailfrom=ann@example.org; dmarc=pass header.from=example.org"
)
FAILED = (
    "mx.acme.example.com; dkim=fail header.d=evil.example.net; spf=none;"
    " dmarc=fail header.from=example.org"
)


def mail(*fields, from_="Ann <ann@example.org>"):
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    author = f"From: {from_}\r\n" if from_ else ""
    return parse(f"{head}{author}\r\nStop\r\n".encode())


def received(value):
    return ("Received", value)


def stamp(value):
    return ("Authentication-Results", value)


def ours(value):
    return stamp(f"mx.acme.example.com; {value}")


def from_(clause, by="mx.acme.example.com"):
    return received(f"from {clause} by {by}")


def proves(*fields, trusted=OURS, **more):
    return authentication(mail(*fields, **more), trusted).proves("ann@example.org")


@pytest.mark.parametrize(
    "fields",
    [
        [stamp(PASSED), received(FROM_OUTSIDE)],
        [received(FROM_OUTSIDE), stamp(PASSED)],
        [received(HANDED_ON), stamp(PASSED), received(FROM_OUTSIDE)],
        [received(HANDED_ON), received(FROM_OUTSIDE), stamp(PASSED)],
        [stamp("elsewhere.example.net; dmarc=fail"), stamp(PASSED)],
        [stamp("MX.acme.example.com 1; dkim=pass header.i=@example.org")],
        [ours("spf=pass smtp.mailfrom=example.org")],
        [stamp('mx.acme.example.com;\r\n dkim = pass (good; really) header . d = "example.org"')],
        [stamp('"mx.acme.example.com"; dmarc/1=pass header.from=Example.ORG')],
        [ours("dkim=fail header.d=example.net; dkim=pass header.d=example.org")],
    ],
)
def test_what_our_own_server_stamped_is_believed(fields):
    assert proves(*fields)


@pytest.mark.parametrize(
    "fields",
    [
        [stamp("elsewhere.example.net; dmarc=pass header.from=example.org")],
        [received("from a (a [203.0.113.9]) by elsewhere.example.net with SMTP"), stamp(PASSED)],
        [received(FROM_OUTSIDE), received(HANDED_ON), stamp(PASSED)],
        [stamp(FAILED), stamp(PASSED)],
        [stamp(FAILED), received(FROM_OUTSIDE), stamp(PASSED)],
        [received(FROM_OUTSIDE), stamp(FAILED), stamp(PASSED), received(FROM_OUTSIDE)],
        [ours("dkim=none"), ours("dkim=pass header.d=example.org")],
        [ours("dkim=pass header.d=evil.example.net"), ours("dkim=pass header.d=example.org")],
        [ours("dkim=pass header.d=sub.example.org")],
        [ours("dkim=pass header.d=notexample.org")],
        [ours("dkim=pass header.d=org")],
        [ours("dmarc=pass header.from=evil.example.net")],
        [ours("dmarc=pass")],
        [ours("x=y (dmarc=pass header.from=example.org)")],
        [stamp('mx.acme.example.com; spf=fail reason="x; dmarc=pass header.from=example.org"')],
        [ours("none")],
        [],
    ],
)  # fmt: skip
def test_what_anybody_could_have_written_is_not(fields):
    assert not proves(*fields)


def test_a_mail_with_two_authors_proves_neither():
    two = mail(stamp(PASSED), ("From", "bob@example.org"))
    for address in ("ann@example.org", "bob@example.org"):
        assert not authentication(two, OURS).proves(address)
    both = mail(stamp(PASSED), from_="ann@example.org, bob@example.net")
    assert not authentication(both, OURS).proves("ann@example.org")


def test_our_servers_may_hand_over_to_each_other_in_a_network_of_theirs():
    handed_on = HANDED_ON.replace("127.0.0.1", "198.51.100.7")
    fields = [received(handed_on), received(FROM_OUTSIDE), stamp(PASSED)]
    assert not proves(*fields)
    assert proves(*fields, trusted=[*OURS, "198.51.100.0/28"])


def test_it_is_unknown_and_not_unsigned_where_nothing_is_stamped():
    found = authentication(mail(received(FROM_OUTSIDE)), OURS)
    assert (found.is_unknown, found.dmarc) == (True, "temperror")
    assert not authentication(mail(stamp(FAILED)), OURS).is_unknown


@pytest.mark.parametrize(
    ("fields", "source"),
    [
        ([received(HANDED_ON), received(FROM_OUTSIDE)], "203.0.113.9"),
        ([received(FROM_OUTSIDE), from_("x ([203.0.113.1])")], "203.0.113.9"),
        ([from_("[203.0.113.1] (x [203.0.113.9])")], "203.0.113.9"),
        ([from_("x ([203.0.113.9] helo=[203.0.113.1])")], "203.0.113.9"),
        ([from_("x (x [IPv6:2001:db8::9])")], "2001:db8::9"),
        ([from_("x")], None),
        ([received("from x ([203.0.113.9]) by elsewhere.example.net")], None),
        ([from_("x ([999.1.1.1])")], None),
        ([], None),
    ],
)  # fmt: skip
def test_where_a_mail_came_from_is_what_our_first_server_saw(fields, source):
    assert read(mail(*fields), OURS).source == source


@given(st.text(max_size=200), st.text(alphabet='mx.;()" \\=dkimpas', max_size=200))
def test_any_field_is_read(one, other):
    for text in (one, other, f"mx.acme.example.com; {one}", f"mx.acme.example.com; {other}"):
        assert all(said.method for said in results(text)[1])
        flat = " ".join(text.split())
        authentication(mail(received(flat), stamp(flat), received(flat)), OURS)


@given(st.lists(st.sampled_from([FAILED, PASSED, FROM_OUTSIDE, HANDED_ON])))
def test_what_stands_below_never_makes_more_of_a_mail_that_failed(below):
    fields = [(received if one.startswith("from") else stamp)(one) for one in below]
    assert not proves(received(FROM_OUTSIDE), stamp(FAILED), *fields)
