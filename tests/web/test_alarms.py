from datetime import timedelta

import pytest

from tests.support.cast import ANN
from tests.support.lists import ACME, problem
from tests.support.register import act, record
from tests.support.watched import add_sender, catch_up, rounds

ALARMS = f"{ACME}/alarms"


@pytest.fixture
def settings(settings):
    # Only the rounds that a test asks for.
    return settings.model_copy(update={"alarm_seconds": 3600})


async def asked(client, headers, **parameters):
    reply = await client.get(ALARMS, headers=headers, params=parameters)
    assert reply.status == 200, await reply.text()
    return await reply.json()


async def steps(client, headers, **parameters):
    return [
        (one["sender"], one["step"])
        for one in (await asked(client, headers, **parameters))["alarms"]
    ]


async def trouble(service, clock, *slugs):
    """Let senders become overdue and recover, one after the other."""
    for slug in slugs:
        await add_sender(service, slug)
        await record(service, act(service, f"{slug}@example.org"))
        clock.move(days=60)
        await rounds(service)
        for one in slugs[: slugs.index(slug) + 1]:
            await catch_up(service, one)
        await rounds(service)


async def test_alarms_are_read_newest_first_with_what_to_do(client, keys, service, clock):
    await catch_up(service, "mailer")
    await record(service, act(service, ANN))
    clock.move(days=60)
    await rounds(service)
    [alarm] = (await asked(client, keys.operator, sender="mailer"))["alarms"]
    assert (alarm["brand"], alarm["sender"], alarm["channel"]) == ("acme", "mailer", "email")
    assert (alarm["step"], alarm["state"], alarm["owed_count"]) == ("overdue", "overdue", 1)
    assert alarm["next_deadline_at"] < alarm["raised_at"]
    assert alarm["case_id"]
    assert "acknowledge" in alarm["detail"]
    await catch_up(service, "mailer")
    await rounds(service)
    assert [step for _, step in await steps(client, keys.operator, sender="mailer")] == [
        "recovery",
        "overdue",
    ]


async def test_pages_hold_every_alarm_once(client, keys, service, clock):
    await trouble(service, clock, "one", "two", "three")
    whole = await asked(client, keys.operator)
    assert whole["next"] is None
    read, after = [], {}
    while True:
        page = await asked(client, keys.operator, limit="2", **after)
        read += page["alarms"]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert read == whole["alarms"]
    assert len(read) == len({one["alarm_id"] for one in read}) >= 6


async def test_a_senders_alarms_are_its_own(client, keys, service, clock):
    await trouble(service, clock, "one", "two")
    found = await steps(client, keys.operator, sender="two")
    assert {sender for sender, _ in found} == {"two"}


async def test_nobody_reads_another_brands(client, keys, service, clock):
    await trouble(service, clock, "one")
    [alarm, *_] = (await asked(client, keys.operator))["alarms"]
    reply = await client.get(ALARMS, headers=keys.globex_operator)
    assert await problem(reply) == (403, "not_allowed")
    url = "/v1/brands/globex/alarms"
    reply = await client.get(url, headers=keys.globex_operator)
    assert (await reply.json())["alarms"] == []
    reply = await client.get(url, headers=keys.globex_operator, params={"after": alarm["alarm_id"]})
    assert await problem(reply) == (404, "unknown_alarm")


async def test_a_senders_key_reads_none(client, keys):
    assert await problem(await client.get(ALARMS, headers=keys.mailer)) == (403, "not_allowed")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"after": "nonsense"}, (400, "invalid_parameter")),
        ({"after": "0b0f6d62-2c0e-4d46-9a53-3c1cf3a0c2f7"}, (404, "unknown_alarm")),
        ({"limit": "0"}, (400, "invalid_parameter")),
        ({"limit": "1001"}, (400, "invalid_parameter")),
        ({"sender": "nobody"}, (404, "unknown_sender")),
        ({"step": "half"}, (400, "invalid_parameter")),
    ],
)
async def test_a_parameter_that_makes_no_sense_is_refused(client, keys, parameters, expected):
    reply = await client.get(ALARMS, headers=keys.operator, params=parameters)
    assert await problem(reply) == expected


async def test_the_metrics_say_how_every_sender_stands(client, keys, service, clock):
    await catch_up(service, "mailer")
    [made] = await record(service, act(service, ANN))
    clock.stop(made.deadline_at + timedelta(seconds=1))
    await rounds(service)
    text = await (await client.get("/metrics")).text()
    mailer = 'brand="acme",sender="mailer"'
    assert f"prefsvc_sender_owed_opt_outs{{{mailer}}} 1.0" in text
    assert f'prefsvc_sender_state{{{mailer},state="overdue"}} 1.0' in text
    assert f'prefsvc_sender_state{{{mailer},state="clear"}} 0.0' in text
    assert 'prefsvc_open_cases{brand="acme",kind="overdue"} 1.0' in text
    [line] = [
        one
        for one in text.splitlines()
        if one.startswith(f"prefsvc_sender_next_deadline_timestamp_seconds{{{mailer}}}")
    ]
    assert abs(float(line.split()[-1]) - made.deadline_at.timestamp()) < 1
    assert 'state="never_heard"} 1.0' in text  # texter, and globex's
    await catch_up(service, "mailer")
    await rounds(service)
    text = await (await client.get("/metrics")).text()
    assert f"prefsvc_sender_next_deadline_timestamp_seconds{{{mailer}}}" not in text
