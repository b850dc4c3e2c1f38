"""A mailbox as an endpoint: from an alarm to the mail."""

import asyncio

import pytest

from tests.outward.test_mail import open_office
from tests.support.endpoints import ENDPOINTS, add_endpoint, log_of
from tests.support.receiver import LIMIT_SECONDS


@pytest.fixture
async def office():
    async with open_office() as office:
        yield office


@pytest.fixture
def settings(settings, office):
    mail = office.settings()
    names = ("smtp_host", "smtp_port", "smtp_security", "mail_from")
    return settings.model_copy(update={name: getattr(mail, name) for name in names})


async def finished(client, keys, endpoint):
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            [one] = await log_of(client, keys.operator, endpoint)
            if one["state"] != "pending":
                return one


async def test_a_test_reaches_the_mailbox(client, keys, office):
    made = await add_endpoint(client, keys.operator, mail="alarms@example.org")
    await client.post(f"{ENDPOINTS}/{made['endpoint_id']}/test", headers=keys.operator)
    assert (await finished(client, keys, made))["state"] == "delivered"
    assert len(office.taken) == 1


async def test_what_the_mail_server_refuses_for_good_has_failed(client, keys, office):
    office.to_recipient = "550 no such mailbox"
    made = await add_endpoint(client, keys.operator, mail="alarms@example.org")
    await client.post(f"{ENDPOINTS}/{made['endpoint_id']}/test", headers=keys.operator)
    one = await finished(client, keys, made)
    assert (one["state"], one["failed_why"]) == (
        "failed",
        "The mail server rejected it for good.",
    )
    assert [(a["status"], a["outcome"]) for a in one["attempts"]] == [(550, "rejected")]
