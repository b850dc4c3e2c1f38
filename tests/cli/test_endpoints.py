import re

import pytest

from prefsvc import brands, deliveries, endpoints, senders
from prefsvc.deliveries import Notice
from tests.support.cast import acme

PUBLIC = "https://8.8.8.8/hook"
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def acme_is_applied(work):
    async def apply(service):
        async with service.database.transaction() as tx:
            await brands.apply(tx, [acme()])
        await service.refresh_book()
        brand = service.book.get("acme")
        async with service.database.transaction() as tx:
            if not await senders.every(tx, brand):
                await senders.add(tx, brand, "mailer", "email")

    work(apply)


@pytest.fixture
def added(prefsvc, acme_is_applied):
    """Add an endpoint; return its id. It is removed afterwards."""
    ran = prefsvc("endpoints", "add", "acme", "--url", PUBLIC)
    assert ran.code == 0
    name = re.search(r"Added (\S+)\.", ran.out)[1]
    assert re.search(r"^whsec_\S+$", ran.out, re.MULTILINE)
    yield name
    prefsvc("endpoints", "remove", "acme", name)


def test_what_was_added_is_listed_without_its_secret(prefsvc, added):
    ran = prefsvc("endpoints", "list", "acme")
    assert ran.out == f"{added}  webhook  {PUBLIC}  alarm  every sender  works\n"


def test_a_senders_own_is_listed_with_its_name(prefsvc, acme_is_applied):
    words = ("--url", PUBLIC, "--events", "suppression", "--sender", "mailer", "--with-addresses")
    ran = prefsvc("endpoints", "add", "acme", *words)
    name = re.search(r"Added (\S+)\.", ran.out)[1]
    assert "suppression  mailer  works" in prefsvc("endpoints", "list", "acme").out
    assert prefsvc("endpoints", "remove", "acme", name).out == "Removed.\n"
    assert prefsvc("endpoints", "list", "acme").out == "This brand has no endpoint yet.\n"


def test_a_mailbox_is_added_where_mail_can_be_sent(prefsvc, acme_is_applied):
    ran = prefsvc("endpoints", "add", "acme", "--mail", "alarms@example.org")
    assert (ran.code, "PREFSVC_SMTP_HOST" in ran.err) == (1, True)
    ran = prefsvc(
        "endpoints", "add", "acme", "--mail", "alarms@example.org",
        smtp_host="127.0.0.1", mail_from="prefsvc@example.com",
    )  # fmt: skip
    assert ran.code == 0
    assert "whsec_" not in ran.out
    name = re.search(r"Added (\S+)\.", ran.out)[1]
    assert prefsvc("endpoints", "remove", "acme", name).code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("--url", "https://10.0.0.1/"),
        ("--url", "http://8.8.8.8/"),
        ("--url", PUBLIC, "--sender", "nobody"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(prefsvc, acme_is_applied, words):
    ran = prefsvc("endpoints", "add", "acme", *words)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("prefsvc: ")
    assert ran.err.endswith(".\n")


def test_an_endpoint_that_is_not_there_is_said_to_be_unknown(prefsvc, acme_is_applied):
    for action in ("remove", "replay"):
        ran = prefsvc("endpoints", action, "acme", NOBODY)
        assert (ran.code, "no such endpoint" in ran.err) == (1, True)
    assert prefsvc("endpoints", "remove", "acme", "x").code == 2


def test_what_failed_is_sent_off_again(prefsvc, work, added):
    async def fail_one(service):
        async with service.database.transaction() as tx:
            to = await endpoints.listening(tx, service.book.get("acme").brand_id, "alarm")
            await deliveries.enqueue(tx, to, Notice("alarm.half", tx.now, {}))
            await endpoints.give_up(tx, to[0].endpoint_id, "It is a test.")

    work(fail_one)
    later = ("--since", "2999-01-01T00:00:00Z")
    assert prefsvc("endpoints", "replay", "acme", added, *later).out == "Sent off again: 0.\n"
    assert prefsvc("endpoints", "replay", "acme", added).out == "Sent off again: 1.\n"
    assert prefsvc("endpoints", "replay", "acme", added, "--since", "2026-01-01").code == 2
