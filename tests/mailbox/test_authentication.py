"""Who vouches for a mail is found out, kept as evidence, and never holds a mail up."""

import asyncio
import time

import pytest

from prefsvc.mail.authentication import Authentication
from prefsvc.mail.mail import Mail
from prefsvc.mail.message import parse
from prefsvc.mailbox.authenticating import Provenance
from prefsvc.mailbox.making import Arrived
from prefsvc.mailbox.taking import take
from prefsvc.metrics import MAILS_AUTHENTICATED
from tests.mailbox.conftest import NEWS, Office, mail
from tests.support.cast import ANN, BOB
from tests.support.name_server import name_server
from tests.support.signing import publish, signed
from tests.support.taking_mail import listening

POLICY = "v=DMARC1; p=none"


@pytest.fixture
async def names():
    async with name_server() as names:
        yield names


@pytest.fixture
def settings(settings, names):
    asked = {"mail_authentication": "check", "dns_servers": (names.place,)}
    return settings.model_copy(update=asked)


async def evidence(service):
    """Return what is kept of the last act, with its source."""
    row = await service.database.pool.fetchrow(
        "select e.source, p.content from preference_event as e "
        "join evidence as p using (bucket, event_id) order by e.recorded_at desc limit 1"
    )
    return row["content"] | {"source": row["source"]}


def outcome(kept):
    return (kept["authenticated"], kept["source"])


async def test_a_signed_mail_is_the_persons_own(office, service, names, may_mail):
    publish(names, "example.org")
    names.publish("_dmarc.example.org", POLICY)
    await office.sends(signed(mail(), "example.org"))
    kept = await evidence(service)
    assert outcome(kept) == (True, "mail_reply")
    assert kept["authentication"] == {
        "by": "check",
        "aligned": True,
        "dmarc": "pass",
        "spf": "none",
        "spf_domain": None,
        "dkim": [{"domain": "example.org", "result": "pass"}],
    }
    assert (kept["origin_domain"], kept["origin_host"]) == ("example.org", "127.0.0.1")
    assert ANN not in str(kept)
    assert not await may_mail()


@pytest.mark.parametrize(
    ("raw", "dkim"),
    [
        (mail(), []),
        (signed(mail(), "example.org").replace(b"remove", b"REMOVE"), ["fail"]),
        (signed(mail(), "evil.example.net"), ["pass"]),
        (b"From: Ann <ann@example.org>\r\n" + signed(mail(from_=BOB), "example.org"), ["policy"]),
    ],
)
async def test_what_is_not_signed_by_its_author_counts_and_is_marked(  # noqa: PLR0917 - fixtures
    office, service, names, may_mail, raw, dkim
):
    publish(names, "example.org")
    publish(names, "evil.example.net")
    names.publish("_dmarc.example.org", POLICY)
    await office.sends(raw)
    kept = await evidence(service)
    assert outcome(kept) == (False, "mail_reply_unproven")
    assert [one["result"] for one in kept["authentication"]["dkim"]] == dkim
    assert not await may_mail()


async def test_two_readers_of_a_broken_header_prove_nothing(office, service, names):
    """A lone CR ends a line for one program and not for another."""
    publish(names, "example.org")
    raw = b"X-A: a\rFrom: ann@example.org\r\r\r\n" + signed(mail(from_=BOB), "example.org")
    await take(service, Arrived(Mail(raw), NEWS, "127.0.0.1"))
    assert await service.database.pool.fetchval("select count(*) from preference_event") <= 1
    for content in await service.database.pool.fetch("select content from evidence"):
        assert content["content"]["authenticated"] is False


@pytest.mark.parametrize("how", ["is_silent", "fails"])
async def test_a_name_server_that_is_away_leaves_it_unknown_and_is_waited_for_a_moment(
    office, service, names, may_mail, how
):
    service.settings = service.settings.model_copy(update={"mail_dns_timeout_seconds": 0.5})
    setattr(names, how, True)
    before = time.monotonic()
    await office.sends(signed(mail(), "example.org"))
    assert time.monotonic() - before < 5
    kept = await evidence(service)
    assert kept["authentication"]["dmarc"] == "temperror"
    assert kept["authentication"]["dkim"] == [{"domain": "example.org", "result": "temperror"}]
    assert kept["authenticated"] is False
    assert not await may_mail()


async def test_it_is_found_out_once_for_all_recipients(office, service, names, client, keys):
    made = await client.post(
        "/v1/brands/acme/links",
        headers=keys.mailer,
        json={"channel": "email", "address": BOB, "form": "short"},
    )
    token = (await made.text()).partition("/u/")[2].partition('"')[0]
    counted = MAILS_AUTHENTICATED.labels("unauthenticated")._value
    before = counted.get()
    to = [NEWS, "help@mail.acme.example.com", f"u+{token}@mail.acme.example.com"]
    await office.sends(mail(), to=to)
    assert counted.get() - before == 1
    assert len(names.asked) == len(set(names.asked))


async def test_no_mail_has_more_asked_than_the_limit(office, service, names):
    service.settings = service.settings.model_copy(update={"mail_dns_lookups_max": 3})
    raw = mail()
    for number in range(9):
        raw = signed(raw, f"d{number}.example.org")
    await office.sends(raw)
    assert len(names.asked) <= 3
    assert (await evidence(service))["authenticated"] is False


async def test_mail_that_asks_nothing_has_nothing_asked(office, names):
    await office.sends(signed(mail("Where is my order?"), "example.org"))
    assert names.asked == []


class TestTheDoorForStrangers:
    """Where their servers hand over themselves, SPF is checked by their address."""

    @pytest.fixture
    def settings(self, settings):
        return settings.model_copy(update={"mail_peers": "strangers"})

    @pytest.mark.parametrize(
        ("record", "reverse_path", "result", "authenticated"),
        [
            ("v=spf1 ip4:127.0.0.0/8 -all", ANN, "pass", True),
            ("v=spf1 -all", ANN, "fail", False),
            ("v=spf1 ip4:127.0.0.0/8 -all", "ann@evil.example.net", "none", False),
        ],
    )
    async def test_who_may_send_for_the_domain_vouches_for_it(  # noqa: PLR0917 - fixtures
        self, office, service, names, record, reverse_path, result, authenticated
    ):
        names.publish("example.org", record)
        await office.sends(mail(), from_=reverse_path)
        kept = await evidence(service)
        assert (kept["authentication"]["spf"], kept["authenticated"]) == (result, authenticated)

    async def test_a_server_of_your_own_that_hands_over_by_lmtp_proves_nothing(
        self, service, names
    ):
        names.publish("example.org", "v=spf1 +all")
        update = {"mail_listen_protocol": "lmtp"}
        service.settings = service.settings.model_copy(update=update)
        async with listening(service) as port:
            await Office(port).sends_by_lmtp(mail())
        kept = await evidence(service)
        assert (kept["authentication"]["spf"], kept["authenticated"]) == ("none", False)


class TestByYourMailServer:
    """What it stamped is read, and DNS is not asked."""

    @pytest.fixture
    def settings(self, settings):
        update = {"mail_authentication": "header", "mail_trusted_hosts": ("mx.acme.example.com",)}
        return settings.model_copy(update=update)

    @pytest.mark.parametrize(
        ("server", "expected"),
        [
            ("mx.acme.example.com", (True, "mail_reply")),
            ("mx.example.net", (False, "mail_reply_unproven")),
        ],
    )
    async def test_only_what_its_name_stands_on_is_believed(
        self, office, service, names, server, expected
    ):
        stamp = f"Authentication-Results: {server}; dkim=pass header.d=example.org\r\n"
        received = "Received: from x (x [203.0.113.9]) by mx.acme.example.com with SMTP\r\n"
        await office.sends((received + stamp).encode() + mail())
        kept = await evidence(service)
        assert outcome(kept) == expected
        assert kept["origin_host"] == "203.0.113.9"
        assert names.asked == []


async def test_what_another_door_knows_is_taken_over(service, names):
    known = Authentication.of_ses(parse(mail()), spf="PASS", dkim="PASS", dmarc="PASS")
    came = Provenance(known=known)
    await take(service, Arrived(Mail(mail()), NEWS, "ses", provenance=came))
    kept = await evidence(service)
    assert (outcome(kept), names.asked) == ((True, "mail_reply"), [])
    gray = Authentication.of_ses(parse(mail()), spf="PASS", dkim="PASS", dmarc="GRAY")
    assert not gray.proves(ANN)


async def test_with_nobody_looking_mail_counts_as_it_always_did(office, service, may_mail, names):
    service.settings = service.settings.model_copy(update={"mail_authentication": "off"})
    await office.sends(signed(mail(), "example.org"))
    kept = await evidence(service)
    assert outcome(kept) == (False, "mail_reply_unproven")
    assert "authentication" not in kept
    assert names.asked == []
    assert not await may_mail()


async def test_many_at_once_wait_for_a_silent_name_server_together(office, service, names):
    service.settings = service.settings.model_copy(update={"mail_dns_timeout_seconds": 2})
    names.is_silent = True
    before = time.monotonic()
    await asyncio.gather(
        *(
            office.sends(mail(from_=f"p{n}@d{n}.example.org"), from_=f"p{n}@d{n}.example.org")
            for n in range(4)
        )
    )
    assert time.monotonic() - before < 7
