import asyncio

import pytest

from prefsvc import installation
from tests.support.cast import ANN, BOB
from tests.support.lists import ACME, Follower, problem, say_stop, snapshot

ACKNOWLEDGEMENTS = f"{ACME}/feed/acknowledgements"


async def acknowledge(client, headers, cursor):
    return await client.post(ACKNOWLEDGEMENTS, headers=headers, json={"cursor": cursor})


async def cursors(client, keys):
    """Return three cursors, each further on than the one before."""
    follower, found = Follower(client, keys.mailer), []
    for address in (None, ANN, BOB):
        if address:
            await say_stop(client, keys, address)
        found.append((await follower.page())["cursor"])
    return found


async def test_it_moves_forward_and_is_shown(client, keys):
    for cursor in await cursors(client, keys):
        reply = await acknowledge(client, keys.mailer, cursor)
        assert reply.status == 200
        at = (await reply.json())["acknowledged_at"]
        senders = await (await client.get(f"{ACME}/senders", headers=keys.operator)).json()
        [mailer] = [one for one in senders["senders"] if one["sender"] == "mailer"]
        assert (mailer["cursor"], mailer["acknowledged_at"]) == (cursor, at)


async def test_it_never_moves_backwards(client, keys):
    start, middle, end = await cursors(client, keys)
    await acknowledge(client, keys.mailer, end)
    for earlier in (start, middle):
        reply = await acknowledge(client, keys.mailer, earlier)
        assert await problem(reply) == (409, "acknowledgement_backwards")


async def test_the_same_again_keeps_the_first_moment(client, keys, clock):
    *_, end = await cursors(client, keys)
    first = await (await acknowledge(client, keys.mailer, end)).json()
    clock.move(hours=1)
    reply = await acknowledge(client, keys.mailer, end)
    assert (reply.status, await reply.json()) == (200, first)


async def test_many_at_once_end_at_the_furthest(client, keys, service):
    found = await cursors(client, keys)
    replies = await asyncio.gather(
        *[acknowledge(client, keys.mailer, cursor) for cursor in found * 4]
    )
    assert {reply.status for reply in replies} <= {200, 409}
    reply = await acknowledge(client, keys.mailer, found[0])
    assert reply.status == 409
    assert (await acknowledge(client, keys.mailer, found[-1])).status == 200


async def test_what_was_not_given_out_yet_is_refused(client, keys, service):
    *_, end = await cursors(client, keys)
    await service.database.pool.execute("update feed_head set position = 0")
    reply = await acknowledge(client, keys.mailer, end)
    assert await problem(reply) == (409, "cursor_beyond_head")


async def test_another_brands_cursor_is_refused(client, keys):
    globex = await (await client.get("/v1/brands/globex/feed", headers=keys.globex_mailer)).json()
    reply = await acknowledge(client, keys.mailer, globex["cursor"])
    assert await problem(reply) == (422, "cursor_of_another_brand")


async def test_a_cursor_of_another_history_is_refused_and_a_new_one_is_taken(client, keys, service):
    *_, end = await cursors(client, keys)
    await acknowledge(client, keys.mailer, end)
    async with service.database.transaction() as tx:
        [history] = await tx.conn.fetchrow("select server_history from installation")
        await installation.begin_epoch(tx, previous_history=history, history="another/1")
    reply = await acknowledge(client, keys.mailer, end)
    assert await problem(reply) == (409, "cursor_from_another_history")
    anew = (await Follower(client, keys.mailer).page())["cursor"]
    assert (await acknowledge(client, keys.mailer, anew)).status == 200


async def test_every_acknowledgement_is_kept(client, keys, service, clock):
    found = await cursors(client, keys)
    for cursor in [*found, found[-1]]:
        await acknowledge(client, keys.mailer, cursor)
        clock.move(minutes=1)
    kept = await service.database.pool.fetch(
        "select positions, acknowledged_at from acknowledgement order by acknowledged_at"
    )
    assert [sum(row["positions"]) for row in kept] == [0, 1, 2]


async def test_a_senders_word_is_its_own(client, keys):
    *_, end = await cursors(client, keys)
    await acknowledge(client, keys.mailer, end)
    senders = await (await client.get(f"{ACME}/senders", headers=keys.operator)).json()
    acknowledged = {one["sender"]: one["cursor"] for one in senders["senders"]}
    assert acknowledged == {"mailer": end, "texter": None}


@pytest.mark.parametrize("who", ["operator", "house", "globex_mailer"])
async def test_nobody_acknowledges_for_a_sender(client, keys, who):
    *_, end = await cursors(client, keys)
    reply = await acknowledge(client, getattr(keys, who), end)
    assert await problem(reply) == (403, "not_allowed")


@pytest.mark.parametrize("form", ["ndjson", "csv"])
async def test_the_cursor_of_a_list_can_be_acknowledged(client, keys, form):
    await say_stop(client, keys, ANN)
    end = (await snapshot(client, keys.mailer, format=form)).end
    body = end if form == "ndjson" else {"cursor": end["cursor"]}
    reply = await client.post(ACKNOWLEDGEMENTS, headers=keys.mailer, json=body)
    assert reply.status == 200


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"cursor": "nonsense"}, (422, "invalid_cursor")),
        ({"cursor": ""}, (400, "invalid_body")),
        ({"cursor": 7}, (400, "invalid_body")),
        ({}, (400, "invalid_body")),
        ({"cursor": "A", "nonsense": 1}, (400, "invalid_body")),
    ],
)
async def test_what_is_no_acknowledgement_is_refused(client, keys, body, refusal):
    reply = await client.post(ACKNOWLEDGEMENTS, headers=keys.mailer, json=body)
    assert await problem(reply) == refusal
