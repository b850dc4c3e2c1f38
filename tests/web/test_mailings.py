"""Which list a mailing was cut from, said before it goes out."""

import asyncio
from datetime import datetime, timedelta

import pytest

from prefsvc import installation
from tests.support.cast import ANN
from tests.support.lists import ACME, problem, say_stop
from tests.support.sending import acknowledge, head, post_mailing, register


async def get(client, headers, name, **parameters):
    return await client.get(f"{ACME}/mailings/{name}", headers=headers, params=parameters)


async def test_it_is_registered_with_its_list_and_what_it_is(client, keys):
    cursor = await acknowledge(client, keys.mailer)
    reply = await post_mailing(client, keys.mailer, "spring-1", cursor, topic="news")
    assert reply.status == 201
    made = await reply.json()
    assert (made["mailing"], made["sender"], made["cursor"]) == ("spring-1", "mailer", cursor)
    assert (made["topic"], made["message_class"]) == ("news", "marketing")
    assert (made["clearance"], made["missing"]) == (True, None)
    assert made["as_of"] < made["valid_until"]
    read = await (await get(client, keys.mailer, "spring-1")).json()
    assert (read["cursor"], read["registered_at"]) == (cursor, made["registered_at"])


async def test_the_same_again_is_the_first_one(client, keys, clock):
    cursor = await head(client, keys.mailer)
    first = await (await post_mailing(client, keys.mailer, "spring", cursor)).json()
    clock.move(hours=1)
    reply = await post_mailing(client, keys.mailer, "spring", cursor)
    assert reply.status == 200
    assert (await reply.json())["registered_at"] == first["registered_at"]


async def test_twenty_tries_at_once_are_one_mailing(client, keys):
    cursor = await head(client, keys.mailer)
    replies = await asyncio.gather(
        *[post_mailing(client, keys.mailer, "spring", cursor) for _ in range(20)]
    )
    assert sorted(reply.status for reply in replies) == [200] * 19 + [201]


async def test_its_name_stands_for_one_list_and_one_content(client, keys):
    cursor = await head(client, keys.mailer)
    await post_mailing(client, keys.mailer, "spring", cursor)
    reply = await post_mailing(client, keys.mailer, "spring", cursor, topic="news")
    assert await problem(reply) == (409, "mailing_exists")
    await say_stop(client, keys, ANN)
    reply = await post_mailing(client, keys.mailer, "spring", await head(client, keys.mailer))
    assert await problem(reply) == (409, "mailing_exists")


async def test_a_list_that_lacks_what_is_due_has_no_clearance_whatever_was_acknowledged_since(
    client, keys, clock
):
    made = await register(client, keys.mailer, "spring")
    said = await say_stop(client, keys, ANN)
    deadline = datetime.fromisoformat(said["deadline_at"])
    clock.stop(deadline - timedelta(seconds=1))
    await acknowledge(client, keys.mailer)
    given = await (await get(client, keys.mailer, "spring")).json()
    assert (given["clearance"], given["owed_count"]) == (True, 1)
    assert given["valid_until"] == given["next_deadline_at"] == said["deadline_at"]
    clock.stop(deadline)
    given = await (await get(client, keys.mailer, "spring")).json()
    assert (given["clearance"], given["valid_until"]) == (False, None)
    assert "cut the list anew" in given["missing"]
    assert given["cursor"] == made["cursor"]
    anew = await register(client, keys.mailer, "spring-2")
    assert anew["clearance"] is True


async def test_a_sender_that_never_acknowledged_has_no_clearance_for_a_fresh_list(client, keys):
    made = await register(client, keys.mailer, "spring")
    assert (made["clearance"], made["valid_until"]) == (False, None)
    assert "acknowledge" in made["missing"]
    await acknowledge(client, keys.mailer)
    assert (await (await get(client, keys.mailer, "spring")).json())["clearance"] is True


async def test_an_overdue_sender_has_no_clearance_for_a_fresh_list_until_it_catches_up(
    client, keys, clock
):
    await acknowledge(client, keys.mailer)
    said = await say_stop(client, keys, ANN)
    clock.stop(datetime.fromisoformat(said["deadline_at"]))
    made = await register(client, keys.mailer, "spring")
    assert (made["clearance"], made["valid_until"]) == (False, None)
    assert (made["owed_count"], made["next_deadline_at"]) == (1, said["deadline_at"])
    assert "acknowledge" in made["missing"]
    await acknowledge(client, keys.mailer)
    assert (await (await get(client, keys.mailer, "spring")).json())["clearance"] is True


async def test_a_cursor_ahead_of_the_feed_is_refused(client, keys, service):
    await say_stop(client, keys, ANN)
    cursor = await head(client, keys.mailer)
    await service.database.pool.execute("update feed_head set position = 0")
    reply = await post_mailing(client, keys.mailer, "spring", cursor)
    assert await problem(reply) == (409, "cursor_beyond_head")


async def test_a_cursor_of_another_brand_is_refused(client, keys):
    cursor = await head(client, keys.globex_mailer, brand="globex")
    reply = await post_mailing(client, keys.mailer, "spring", cursor)
    assert await problem(reply) == (422, "cursor_of_another_brand")


async def test_a_cursor_of_another_history_is_refused_and_an_older_list_is_no_good(
    client, keys, service
):
    made = await register(client, keys.mailer, "spring")
    async with service.database.transaction() as tx:
        [history] = await tx.conn.fetchrow("select server_history from installation")
        await installation.begin_epoch(tx, previous_history=history, history="another/1")
    reply = await post_mailing(client, keys.mailer, "summer", made["cursor"])
    assert await problem(reply) == (409, "cursor_from_another_history")
    given = await (await get(client, keys.mailer, "spring")).json()
    assert given["clearance"] is False
    await acknowledge(client, keys.mailer)
    given = await (await get(client, keys.mailer, "spring")).json()
    assert given["clearance"] is False
    assert "restored" in given["missing"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"mailing": "a b"}, (400, "invalid_body")),
        ({"mailing": ""}, (400, "invalid_body")),
        ({"mailing": "a/b"}, (400, "invalid_body")),
        ({"cursor": "nonsense"}, (422, "invalid_cursor")),
        ({"topic": "gardening"}, (422, "unknown_topic")),
        ({"surprise": 1}, (400, "invalid_body")),
    ],
)
async def test_what_makes_no_sense_is_refused_and_registers_nothing(client, keys, body, expected):
    asked = {"mailing": "spring", "cursor": await head(client, keys.mailer)} | body
    reply = await client.post(f"{ACME}/mailings", headers=keys.mailer, json=asked)
    assert await problem(reply) == expected
    listed = await client.get(f"{ACME}/mailings", headers=keys.mailer)
    assert (await listed.json())["mailings"] == []


async def test_the_newest_come_first_and_no_more_than_asked_for(client, keys, clock):
    for name in ("one", "two", "three"):
        await register(client, keys.mailer, name)
        clock.move(minutes=1)
    reply = await client.get(f"{ACME}/mailings?limit=2", headers=keys.mailer)
    assert [one["mailing"] for one in (await reply.json())["mailings"]] == ["three", "two"]


async def test_each_sender_has_its_own_and_an_operator_names_which(client, keys):
    await register(client, keys.mailer, "spring")
    assert await problem(await get(client, keys.texter, "spring")) == (404, "unknown_mailing")
    reply = await get(client, keys.operator, "spring", sender="mailer")
    assert reply.status == 200
    assert await problem(await get(client, keys.operator, "spring")) == (400, "invalid_parameter")
    reply = await get(client, keys.texter, "spring", sender="mailer")
    assert await problem(reply) == (403, "not_allowed")
    reply = await get(client, keys.operator, "spring", sender="nobody")
    assert await problem(reply) == (404, "unknown_sender")


async def test_only_a_sender_registers(client, keys):
    cursor = await head(client, keys.mailer)
    reply = await post_mailing(client, keys.operator, "spring", cursor)
    assert await problem(reply) == (403, "not_allowed")


async def test_a_name_with_nul_is_unknown(client, keys):
    reply = await get(client, keys.mailer, "spr%00ing")
    assert await problem(reply) == (404, "unknown_mailing")


async def test_another_brands_mailing_is_unknown(client, keys):
    await register(client, keys.mailer, "spring")
    reply = await client.get("/v1/brands/globex/mailings/spring", headers=keys.globex_mailer)
    assert await problem(reply) == (404, "unknown_mailing")
    reply = await client.get("/v1/brands/globex/mailings", headers=keys.globex_mailer)
    assert (await reply.json())["mailings"] == []
