import asyncio

import pytest

from prefsvc import app
from tests.support.cast import ANN, ANNS_PHONE, BOB
from tests.support.lists import ACME, Follower, problem, say_start, say_stop, sha256, snapshot
from tests.support.register import act, record, workload
from tests.support.waiting import until


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("channel", ["email", "sms"])
async def test_the_feed_from_zero_equals_the_snapshot(client, keys, service, seed, channel):
    headers = {"email": keys.mailer, "sms": keys.texter}[channel]
    follower = Follower(client, headers)
    for part in range(3):
        await workload(service, steps=20, seed=seed * 10 + part)
        await follower.catch_up()
        listed = await snapshot(client, headers)
        assert follower.suppressed == listed.suppressed
        assert follower.cursor == listed.end["cursor"]
    assert follower.suppressed
    assert (await Follower(client, headers, {"limit": "100"}).catch_up()).suppressed == (
        follower.suppressed
    )


async def test_a_change_says_what_was_said(client, keys):
    said = await say_stop(client, keys, ANN, topic="news")
    [change] = (await Follower(client, keys.mailer).page())["changes"]
    bucket, position = change.pop("bucket"), change.pop("position")
    assert (0 <= bucket < 64, position) == (True, 1)
    assert change == {
        "change": "added",
        "channel": "email",
        "address": ANN,
        "sha256": sha256(ANN),
        "scope": "topic",
        "topic": "news",
        "reason": "opt_out",
        "received_at": said["received_at"],
        "deadline_at": said["deadline_at"],
        "opt_out_id": said["opt_out_id"],
    }


async def test_what_is_lifted_leaves_a_tombstone(client, keys):
    follower = Follower(client, keys.mailer)
    await say_stop(client, keys, ANN)
    await follower.page()
    assert follower.suppressed
    await say_start(client, keys, ANN)
    [tombstone] = (await follower.page())["changes"]
    assert (tombstone["change"], tombstone["sha256"]) == ("lifted", sha256(ANN))
    assert follower.suppressed == {}


async def test_what_changed_nothing_is_covered_and_not_shown(client, keys):
    await say_start(client, keys, ANN, source="import")
    page = await Follower(client, keys.mailer).page()
    assert (page["changes"], len(page["covers"])) == ([], 1)


async def test_another_channels_changes_are_covered_and_not_shown(client, keys):
    await say_stop(client, keys, ANNS_PHONE, channel="sms")
    page = await Follower(client, keys.mailer).page()
    assert (page["changes"], len(page["covers"])) == ([], 1)


async def test_only_the_last_page_has_a_lease(client, keys):
    for n in range(5):
        await say_stop(client, keys, f"p{n}@example.org")
    follower = Follower(client, keys.mailer)
    pages = [await follower.page(limit="2") for _ in range(3)]
    assert [page["has_more"] for page in pages] == [True, True, False]
    assert [page["valid_until"] is None for page in pages] == [True, True, False]
    assert all(page["as_of"] for page in pages)


async def test_a_page_read_again_is_the_same(client, keys):
    await say_stop(client, keys, ANN)
    one, again = [await Follower(client, keys.mailer).page() for _ in range(2)]
    assert [page["changes"] for page in (one, again)] == [one["changes"]] * 2
    assert one["cursor"] == again["cursor"]


async def test_nothing_new_is_an_empty_page_that_covers_nothing(client, keys):
    follower = Follower(client, keys.mailer)
    await say_stop(client, keys, ANN)
    first = await follower.page()
    page = await follower.page(wait="1")
    assert (page["changes"], page["covers"], page["has_more"]) == ([], [], False)
    assert page["cursor"] == first["cursor"]
    assert page["valid_until"] >= first["valid_until"]


SOON_SECONDS = 10
"""Much longer than an answer takes, and much less than the 30 for which is asked."""


async def waiting_for(service, count=1):
    await until(lambda: service.bell.waiters >= count)


async def test_a_waiting_poll_answers_as_soon_as_there_is_something(client, keys, service):
    follower = Follower(client, keys.mailer)
    waiting = asyncio.create_task(follower.page(wait="30"))
    await waiting_for(service)
    await say_stop(client, keys, ANN)
    async with asyncio.timeout(SOON_SECONDS):
        page = await waiting
    assert [one["address"] for one in page["changes"]] == [ANN]


async def test_a_waiting_poll_sees_what_another_process_committed(
    client, keys, service, database_url
):
    async with app.opened(service.settings, service.vault, database_url) as another:
        follower = Follower(client, keys.mailer)
        waiting = asyncio.create_task(follower.page(wait="30"))
        await waiting_for(service)
        await record(another, act(another, BOB))
        async with asyncio.timeout(SOON_SECONDS):
            page = await waiting
    assert [one["address"] for one in page["changes"]] == [BOB]


async def test_every_waiting_poll_is_woken_and_none_keeps_a_connection(client, keys, service):
    followers = [Follower(client, keys.mailer) for _ in range(service.settings.pool_size + 5)]
    waiting = [asyncio.create_task(one.page(wait="30")) for one in followers]
    await waiting_for(service, len(followers))
    await say_stop(client, keys, ANN)
    async with asyncio.timeout(SOON_SECONDS):
        pages = await asyncio.gather(*waiting)
    assert all(len(page["changes"]) == 1 for page in pages)
    assert service.bell.waiters == 0


async def test_stopping_answers_those_who_wait(client, keys, service):
    waiting = asyncio.create_task(Follower(client, keys.mailer).page(wait="30"))
    await waiting_for(service)
    service.stopping.set()
    service.bell.ring_all()
    async with asyncio.timeout(SOON_SECONDS):
        assert (await waiting)["covers"] == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": "0"},
        {"limit": "-1"},
        {"limit": "10001"},
        {"limit": "1e3"},
        {"limit": ""},
        {"limit": "9" * 30},
        {"wait": "61"},
        {"wait": "-1"},
        {"wait": "1.5"},
        {"channel": "fax"},
        {"nonsense": "1"},
    ],
)
async def test_a_parameter_out_of_bounds_is_refused(client, keys, parameters):
    reply = await client.get(f"{ACME}/feed", headers=keys.mailer, params=parameters)
    assert await problem(reply) == (400, "invalid_parameter")


@pytest.mark.parametrize("limit", ["1", "10000"])
async def test_the_bounds_themselves_are_good(client, keys, limit):
    reply = await client.get(f"{ACME}/feed", headers=keys.mailer, params={"limit": limit})
    assert reply.status == 200


@pytest.mark.parametrize(
    "text", ["", "A", "=", "nonsense", "AQ" * 600, "\N{GRINNING FACE}", "' or 1=1", "%00", "../"]
)
async def test_a_cursor_that_is_none_is_refused(client, keys, text):
    reply = await client.get(f"{ACME}/feed", headers=keys.mailer, params={"after": text})
    assert await problem(reply) == (422, "invalid_cursor")


async def test_nul_in_a_parameter_is_refused(client, keys):
    reply = await client.get(f"{ACME}/feed", headers=keys.mailer, params={"after": "\0"})
    assert await problem(reply) == (400, "invalid_parameter")


async def test_a_damaged_cursor_is_refused(client, keys):
    await say_stop(client, keys, ANN)
    cursor = (await Follower(client, keys.mailer).page())["cursor"]
    for place in range(0, len(cursor), 7):
        other = "A" if cursor[place] != "A" else "B"
        damaged = cursor[:place] + other + cursor[place + 1 :]
        reply = await client.get(f"{ACME}/feed", headers=keys.mailer, params={"after": damaged})
        assert await problem(reply) == (422, "invalid_cursor")


async def test_a_cursor_of_another_brand_is_refused(client, keys):
    globex = await client.get("/v1/brands/globex/feed", headers=keys.globex_mailer)
    after = {"after": (await globex.json())["cursor"]}
    reply = await client.get(f"{ACME}/feed", headers=keys.mailer, params=after)
    assert await problem(reply) == (422, "cursor_of_another_brand")


async def test_a_cursor_beyond_the_end_is_refused(client, keys, service):
    await say_stop(client, keys, ANN)
    page = await Follower(client, keys.mailer).page()
    await service.database.pool.execute("update feed_head set position = 0")
    after = {"after": page["cursor"]}
    reply = await client.get(f"{ACME}/feed", headers=keys.mailer, params=after)
    assert await problem(reply) == (409, "cursor_beyond_head")
