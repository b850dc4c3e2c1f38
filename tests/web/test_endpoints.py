import asyncio

import pytest

from tests.support.endpoints import ENDPOINTS, add_endpoint, log_of, send
from tests.support.lists import problem
from tests.support.receiver import receiving

PUBLIC = "https://8.8.8.8/hook"


@pytest.fixture
def settings(settings):
    return settings.model_copy(
        update={
            "outward_networks_allowed": settings.model_validate(
                {"outward_networks_allowed": "127.0.0.0/8"}
            ).outward_networks_allowed,
            "endpoints_per_brand_max": 5,
            "endpoints_per_sender_max": 2,
            "smtp_host": "127.0.0.1",
            "mail_from": "prefsvc@example.com",
        }
    )


@pytest.fixture
async def receiver():
    async with receiving() as receiver:
        yield receiver


async def refused(client, headers, **body):
    reply = await client.post(ENDPOINTS, headers=headers, json=body)
    return await problem(reply)


def path(endpoint, *more):
    return "/".join((ENDPOINTS, endpoint["endpoint_id"], *more))


async def test_an_endpoint_is_as_it_was_wanted_and_its_secret_is_shown_once(client, keys):
    made = await add_endpoint(client, keys.operator, url=PUBLIC, sender="mailer")
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made["kind"] == "webhook"
    assert (made["target"], made["events"], made["sender"]) == (PUBLIC, ["alarm"], "mailer")
    assert (made["with_addresses"], made["disabled_at"]) == (False, None)
    reply = await client.get(path(made), headers=keys.operator)
    assert await reply.json() == made
    reply = await client.get(ENDPOINTS, headers=keys.operator)
    assert await reply.json() == {"endpoints": [made]}


async def test_secrets_do_not_lie_open_in_the_database(client, keys, service):
    made = await add_endpoint(client, keys.operator, url=PUBLIC)
    [row] = await service.database.pool.fetch("select sealed_secret, endpoint_id from endpoint")
    raw = service.vault.open_secret(row["endpoint_id"], row["sealed_secret"])
    assert raw not in row["sealed_secret"]
    assert len(raw) == 32
    assert made["secret"] not in str(dict(row))


async def test_a_mailbox_has_no_secret_and_is_told_of_alarms_alone(client, keys):
    made = await add_endpoint(client, keys.operator, mail="Alarms@Example.org")
    assert (made["kind"], made["target"], made["secret"]) == ("mail", "alarms@example.org", None)
    said = await refused(
        client, keys.operator, mail="alarms@example.org", events=["alarm", "suppression"]
    )
    assert said == (422, "invalid_endpoint")
    reply = await client.post(path(made, "secret"), headers=keys.operator)
    assert await problem(reply) == (422, "invalid_endpoint")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"url": "https://10.0.0.1/"}, (422, "target_forbidden")),
        ({"url": "https://[::ffff:10.0.0.1]/"}, (422, "target_forbidden")),
        ({"url": "https://192.168.0.1:8443/"}, (422, "target_forbidden")),
        ({"url": "http://8.8.8.8/"}, (422, "invalid_target")),
        ({"url": "https://user:word@8.8.8.8/"}, (422, "invalid_target")),
        ({"url": "https://no-such-host.invalid/"}, (422, "invalid_target")),
        ({"mail": "nobody"}, (422, "invalid_target")),
        ({"mail": "jürgen@example.org"}, (422, "invalid_target")),
        ({"url": PUBLIC, "mail": "alarms@example.org"}, (422, "invalid_endpoint")),
        ({}, (422, "invalid_endpoint")),
        ({"url": PUBLIC, "events": []}, (400, "invalid_body")),
        ({"url": PUBLIC, "events": ["alarm", "alarm"]}, (422, "invalid_endpoint")),
        ({"url": PUBLIC, "events": ["alarms"]}, (400, "invalid_body")),
        ({"url": PUBLIC, "with_addresses": True}, (422, "invalid_endpoint")),
        ({"url": PUBLIC, "sender": "nobody"}, (404, "unknown_sender")),
    ],
)
async def test_what_cannot_be_is_refused(client, keys, body, said):
    assert await refused(client, keys.operator, **({"events": ["alarm"]} | body)) == said
    reply = await client.get(ENDPOINTS, headers=keys.operator)
    assert (await reply.json())["endpoints"] == []


async def test_a_refusal_repeats_nothing_of_the_target(client, keys):
    body = {"url": "https://10.9.8.7/secret-path", "events": ["alarm"]}
    reply = await client.post(ENDPOINTS, headers=keys.operator, json=body)
    text = await reply.text()
    assert "PREFSVC_OUTWARD_NETWORKS_ALLOWED" in text
    assert "10.9.8.7" not in text
    assert "secret-path" not in text


async def test_there_are_only_so_many(client, keys):
    for _ in range(2):
        await add_endpoint(client, keys.mailer, url=PUBLIC, events=["suppression"])
    said = await refused(client, keys.mailer, url=PUBLIC, events=["suppression"])
    assert said == (409, "too_many_endpoints")
    for _ in range(3):
        await add_endpoint(client, keys.operator, url=PUBLIC)
    assert await refused(client, keys.house, url=PUBLIC, events=["alarm"]) == (
        409,
        "too_many_endpoints",
    )


async def test_a_sender_has_endpoints_of_its_own_for_changes_alone(client, keys):
    mine = await add_endpoint(client, keys.mailer, url=PUBLIC, events=["suppression"])
    assert mine["sender"] == "mailer"
    for more in ({"events": ["alarm"]}, {"events": ["suppression"], "sender": "texter"}):
        assert await refused(client, keys.mailer, url=PUBLIC, **more) == (403, "not_allowed")
    theirs = await add_endpoint(client, keys.operator, url=PUBLIC)
    reply = await client.get(ENDPOINTS, headers=keys.mailer)
    assert [one["endpoint_id"] for one in (await reply.json())["endpoints"]] == [
        mine["endpoint_id"]
    ]
    for call, url in (
        (client.get, path(theirs)),
        (client.delete, path(theirs)),
        (client.post, path(theirs, "test")),
        (client.post, path(theirs, "secret")),
        (client.post, path(theirs, "enable")),
        (client.get, path(theirs, "deliveries")),
        (client.get, path(mine) + "0"),
    ):
        assert await problem(await call(url, headers=keys.mailer)) == (404, "unknown_endpoint")
    assert await problem(await client.get(path(mine), headers=keys.texter)) == (
        404,
        "unknown_endpoint",
    )


@pytest.mark.parametrize("events", [["alarm"], ["alarm", "suppression"]])
async def test_a_sender_cannot_silence_the_alarms_about_itself(client, keys, events):
    alarms = await add_endpoint(client, keys.operator, url=PUBLIC, events=events, sender="mailer")
    reply = await client.get(ENDPOINTS, headers=keys.mailer)
    assert await reply.json() == {"endpoints": []}
    since = {"since": "2026-01-01T00:00:00Z"}
    one = "deliveries/00000000-0000-4000-8000-000000000000/replay"
    for call, url, body in (
        (client.get, path(alarms), None),
        (client.delete, path(alarms), None),
        (client.post, path(alarms, "test"), None),
        (client.post, path(alarms, "secret"), None),
        (client.post, path(alarms, "enable"), None),
        (client.get, path(alarms, "deliveries"), None),
        (client.post, path(alarms, "replay"), since),
        (client.post, path(alarms, one), None),
    ):
        reply = await call(url, headers=keys.mailer, json=body)
        assert await problem(reply) == (404, "unknown_endpoint")


async def test_a_retired_sender_is_given_no_endpoint_and_none_back(client, keys, service):
    made = await add_endpoint(client, keys.operator, url=PUBLIC, sender="mailer")
    await service.retire_sender(service.book.get("acme"), "mailer")
    said = await refused(client, keys.operator, url=PUBLIC, events=["alarm"], sender="mailer")
    assert said == (409, "sender_retired")
    reply = await client.post(path(made, "enable"), headers=keys.operator)
    assert await problem(reply) == (409, "sender_retired")
    reply = await client.get(path(made), headers=keys.operator)
    assert (await reply.json())["disabled_at"]


async def test_however_many_are_added_at_once_there_are_only_so_many(client, keys):
    body = {"url": PUBLIC, "events": ["suppression"]}
    replies = await asyncio.gather(
        *(client.post(ENDPOINTS, headers=keys.mailer, json=body) for _ in range(8))
    )
    assert sorted(reply.status for reply in replies) == [201] * 2 + [409] * 6


async def test_other_brands_see_none_of_it(client, keys):
    made = await add_endpoint(client, keys.operator, url=PUBLIC)
    foreign = path(made).replace("acme", "globex")
    reply = await client.get(foreign, headers=keys.globex_operator)
    assert await problem(reply) == (404, "unknown_endpoint")
    reply = await client.get(path(made), headers=keys.globex_operator)
    assert await problem(reply) == (403, "not_allowed")


async def test_removed_is_removed_with_all_that_was_on_its_way(client, keys, service):
    made = await add_endpoint(client, keys.operator, url=PUBLIC)
    await send(service, count=3)
    assert await service.database.pool.fetchval("select count(*) from delivery") == 3
    reply = await client.delete(path(made), headers=keys.operator)
    assert reply.status == 204
    reply = await client.delete(path(made), headers=keys.operator)
    assert await problem(reply) == (404, "unknown_endpoint")
    assert await service.database.pool.fetchval("select count(*) from delivery") == 0


async def test_a_test_arrives_signed(client, keys, receiver):
    made = await add_endpoint(client, keys.operator, url=receiver.url)
    reply = await client.post(path(made, "test"), headers=keys.operator)
    assert reply.status == 202
    [arrived] = await receiver.wait_for(1)
    assert arrived.webhook_id == (await reply.json())["delivery_id"]
    assert arrived.is_signed_by(made["secret"])
    assert len(arrived.signatures) == 1
    assert arrived.headers["content-type"] == "application/json"
    document = arrived.document
    assert document["type"] == "endpoint.test"
    assert document["data"] == {"brand": "acme"}
    assert document["timestamp"].endswith("Z")


async def test_while_a_secret_changes_both_sign_for_a_day(client, keys, clock, receiver):
    made = await add_endpoint(client, keys.operator, url=receiver.url)
    reply = await client.post(path(made, "secret"), headers=keys.operator)
    new = (await reply.json())["secret"]
    assert new != made["secret"]

    async def next_notice(count):
        await client.post(path(made, "test"), headers=keys.operator)
        return (await receiver.wait_for(count))[-1]

    first = await next_notice(1)
    assert len(first.signatures) == 2
    assert first.is_signed_by(new)
    assert first.is_signed_by(made["secret"])
    clock.move(hours=24)
    second = await next_notice(2)
    assert len(second.signatures) == 1
    assert second.is_signed_by(new)


async def test_the_log_is_read_page_by_page_and_by_state(client, keys, service, receiver):
    made = await add_endpoint(client, keys.operator, url=receiver.url)
    ids = await send(service, count=5)
    await receiver.wait_for(5)
    found, after = [], {}
    url = path(made, "deliveries")
    for size in (2, 2, 1):
        reply = await client.get(url, headers=keys.operator, params={"limit": 2} | after)
        page = await reply.json()
        assert len(page["deliveries"]) == size
        found += [one["delivery_id"] for one in page["deliveries"]]
        after = {"after": page["next"]} if page["next"] else {}
    assert after == {}
    assert sorted(found) == sorted(ids)
    assert await log_of(client, keys.operator, made, state="failed") == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"state": "lost"}, (400, "invalid_parameter")),
        ({"limit": "0"}, (400, "invalid_parameter")),
        ({"after": "x"}, (400, "invalid_parameter")),
        ({"after": "00000000-0000-4000-8000-000000000000"}, (404, "unknown_delivery")),
    ],
)
async def test_what_the_log_cannot_answer_is_refused(client, keys, asked, said):
    made = await add_endpoint(client, keys.operator, url=PUBLIC)
    reply = await client.get(path(made, "deliveries"), headers=keys.operator, params=asked)
    assert await problem(reply) == said


async def test_a_delivery_that_is_not_there_cannot_be_sent_again(client, keys):
    made = await add_endpoint(client, keys.operator, url=PUBLIC)
    for name in ("x", "00000000-0000-4000-8000-000000000000"):
        reply = await client.post(path(made, "deliveries", name, "replay"), headers=keys.operator)
        assert await problem(reply) == (404, "unknown_delivery")


async def test_without_a_mail_server_a_mailbox_is_refused(client, keys, service):
    service.settings = service.settings.model_copy(update={"smtp_host": ""})
    said = await refused(client, keys.operator, mail="alarms@example.org", events=["alarm"])
    assert said == (409, "mail_not_set")
