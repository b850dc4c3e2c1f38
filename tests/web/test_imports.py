"""Lists put over the API: recorded once, gone on with after a break, and never lifting anything."""

import asyncio
import gzip
import json
import time
import tracemalloc
from datetime import datetime

import aiohttp
import pytest

from prefsvc import app
from prefsvc.imports import register
from tests.support.cast import ANN, ANNS_PHONE, BOB
from tests.support.lists import (
    ACME,
    Follower,
    check,
    problem,
    say_start,
    say_stop,
    sha256,
    snapshot,
)

NDJSON = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv"}


def people(count, first=0):
    return [f"person{number}@example.com" for number in range(first, first + count)]


def as_csv(addresses, at="2024-03-14T12:00:00Z"):
    return "email,created_at\n" + "".join(f"{one},{at}\n" for one in addresses)


async def put(client, headers, body, *, name="spring", **given):
    return await client.put(
        f"{ACME}/imports/{name}", headers=CSV | headers, params=given, data=body
    )


async def imported(client, keys, body, **given):
    """Put a list; return the answer's document."""
    reply = await put(client, keys.operator, body, **given)
    assert reply.status == 200, await reply.text()
    return await reply.json()


async def followed(client, keys):
    """Follow the feed from its beginning to its end."""
    return await Follower(client, keys.mailer, {"limit": "500"}).catch_up()


async def events(service):
    return await service.database.pool.fetchval("select count(*) from preference_event")


async def test_a_list_is_recorded_and_told_of(client, keys, service):
    body = (
        f'{{"email": "{ANN}", "created": 1710417600}}\n{{"email": "nobody"}}\n'
        f'{{"email": "{BOB}", "status": "subscribed"}}\n'
        f'{{"phone": "{ANNS_PHONE}", "topic": "gone", "reason": "STOP"}}\n'
    )
    told = await imported(client, keys, body, format="ndjson")
    assert told["counts"] == {
        "email": {"new": 1, "known": 0, "lifted_since": 0},
        "sms": {"new": 1, "known": 0, "lifted_since": 0},
    }
    assert told["refused"] == {"invalid_address": 1, "not_an_opt_out": 1}
    assert told["refusals"] == [
        {"line": 2, "why": "invalid_address"}, {"line": 3, "why": "not_an_opt_out"}
    ]  # fmt: skip
    assert told["notes"] == {"topic_unknown": 1, "without_time": 1}
    assert (told["line"], told["name"]) == (4, "spring")
    assert told["finished_at"] >= told["begun_at"]
    reply = await client.get(f"{ACME}/imports/spring", headers=keys.operator)
    assert await reply.json() == told
    reply = await client.get(f"{ACME}/imports", headers=keys.operator)
    [listed] = (await reply.json())["imports"]
    assert listed.items() <= told.items()
    may = await check(client, keys.mailer, ANN, BOB)
    assert [one["may_send"] for one in may] == [False, True]


async def test_the_same_list_again_changes_nothing_and_is_answered_alike(client, keys, service):
    first = await imported(client, keys, as_csv([ANN, BOB, "nobody"]))
    before = await events(service)
    assert await imported(client, keys, as_csv([ANN, BOB, "nobody"])) == first
    assert await events(service) == before


async def test_another_list_under_the_same_name_is_refused(client, keys, service):
    await imported(client, keys, as_csv([ANN, BOB]))
    for other, given in (
        (as_csv([BOB, ANN]), {}),
        (as_csv([ANN]), {}),
        (as_csv([ANN, BOB, *people(1)]), {}),
        (as_csv([ANN, BOB]), {"scope": "brand"}),
    ):
        reply = await put(client, keys.operator, other, **given)
        assert await problem(reply) == (409, "import_differs")
    assert await events(service) == 2


async def test_a_dry_run_records_nothing_and_keeps_no_name(client, keys, service):
    await say_stop(client, keys, BOB)
    before = await events(service)
    body = as_csv([ANN, ANN, BOB, "nobody"])
    told = await imported(client, keys, body, dry_run="true")
    assert told["counts"]["email"] == {"new": 1, "known": 2, "lifted_since": 0}
    assert (told["refusals"], told["finished_at"]) == (
        [{"line": 5, "why": "invalid_address"}],
        None,
    )
    assert await events(service) == before
    reply = await client.get(f"{ACME}/imports/spring", headers=keys.operator)
    assert await problem(reply) == (404, "unknown_import")
    assert (await imported(client, keys, body))["counts"] == told["counts"]


async def test_an_older_opt_out_does_not_undo_the_persons_own_opt_in(client, keys, clock):
    await say_stop(client, keys, ANN)
    clock.move(minutes=5)
    await say_start(client, keys, ANN)
    told = await imported(client, keys, as_csv([ANN]))
    assert told["counts"]["email"] == {"new": 0, "known": 0, "lifted_since": 1}
    [may] = await check(client, keys.mailer, ANN)
    assert may["may_send"]


async def test_a_row_without_a_time_counts_from_when_its_import_began(client, keys, service, clock):
    clock.stop(service.now())
    async with service.database.transaction() as tx:
        reading = {"form": "csv", "reason": "opt_out", "time_zone": "UTC"}
        brand = service.book.get("acme")
        await register.begin(tx, brand, "spring", _Reading(reading), by="test")
    began = service.now()
    clock.move(days=2)
    await say_start(client, keys, ANN)
    told = await imported(client, keys, f"email\n{ANN}\n{BOB}\n")
    assert told["counts"]["email"] == {"new": 1, "known": 0, "lifted_since": 1}
    [row] = (await snapshot(client, keys.mailer)).rows
    assert datetime.fromisoformat(row["since"]) == began


class _Reading(dict):
    def to_document(self):
        return dict(self)


async def test_what_was_read_before_the_body_broke_off_counts_and_the_next_goes_on(
    client, keys, service
):
    whole = gzip.compress(as_csv(people(3000)).encode())

    async def broken():
        yield whole[:-2000]
        raise ConnectionError

    with pytest.raises((ConnectionError, aiohttp.ClientError)):
        await put(client, keys.operator, broken())
    await _settled(client, keys)
    before = await events(service)
    told = await imported(client, keys, whole)
    assert told["counts"]["email"]["new"] == 3000
    assert before < await events(service) == 3000


async def _settled(client, keys):
    """Wait for the place that a broken request still holds: a dry run of its own takes its turn."""
    for _ in range(2):
        await imported(client, keys, as_csv([ANN]), name="other", dry_run="true")


async def test_a_truncated_gzip_is_refused_and_what_was_read_of_it_stays(client, keys, service):
    whole = gzip.compress(as_csv(people(3000)).encode())
    reply = await put(client, keys.operator, whole[:-40])
    assert await problem(reply) == (422, "unreadable_import")
    reply = await client.get(f"{ACME}/imports/spring", headers=keys.operator)
    assert (await reply.json())["finished_at"] is None
    assert await events(service) > 0
    assert (await imported(client, keys, whole))["counts"]["email"]["new"] == 3000
    assert await events(service) == 3000


async def test_two_at_once_under_one_name_record_every_row_once(client, keys, service):
    body = as_csv(people(2000))
    replies = await asyncio.gather(*[put(client, keys.operator, body) for _ in range(2)])
    statuses = [reply.status for reply in replies]
    assert set(statuses) <= {200, 409}
    told = await imported(client, keys, body)
    assert told["counts"]["email"]["new"] == 2000
    assert await events(service) == 2000


async def test_what_is_imported_is_in_the_feed_as_in_the_snapshot_and_verifies(client, keys):
    addresses = people(500)
    await imported(client, keys, as_csv(addresses))
    listed = await snapshot(client, keys.mailer)
    assert {row["sha256"] for row in listed.rows} == set(map(sha256, addresses))
    feed = await followed(client, keys)
    assert feed.suppressed == listed.suppressed


async def test_clicks_and_an_import_about_the_same_people_are_recorded_one_after_the_other(
    client, keys, service
):
    addresses = people(400)
    importing = asyncio.create_task(imported(client, keys, as_csv(addresses)))
    said = [say_stop(client, keys, one, scope="brand") for one in addresses[::4]]
    said += [say_start(client, keys, one) for one in addresses[1::4]]
    await asyncio.gather(importing, *said)
    feed, listed = await followed(client, keys), await snapshot(client, keys.mailer)
    assert feed.suppressed == listed.suppressed
    assert {sha256(one) for one in addresses[::4]} <= {row["sha256"] for row in listed.rows}


async def test_others_are_heard_while_a_long_list_is_read(client, keys, service):
    longest = 0.0
    importing = asyncio.create_task(imported(client, keys, as_csv(people(20_000))))
    while not importing.done():
        started = time.thread_time()  # the machine may do other things, too
        await asyncio.sleep(0)
        longest = max(longest, time.thread_time() - started)
    assert (await importing)["counts"]["email"]["new"] == 20_000
    assert longest < 1  # a share of what the whole takes


async def test_only_an_operator_of_the_brand_imports(client, keys):
    for headers, status in ((keys.mailer, 403), (keys.globex_operator, 403), ({}, 401)):
        reply = await put(client, headers, as_csv([ANN]))
        assert reply.status == status
        for path in (f"{ACME}/imports", f"{ACME}/imports/spring"):
            assert (await client.get(path, headers=headers)).status == status
    assert (await put(client, keys.house, as_csv([ANN]))).status == 200


async def test_one_brands_import_is_unknown_to_another(client, keys):
    await imported(client, keys, as_csv([ANN]))
    path = "/v1/brands/globex/imports"
    reply = await client.get(f"{path}/spring", headers=keys.globex_operator)
    assert await problem(reply) == (404, "unknown_import")
    reply = await client.get(path, headers=keys.globex_operator)
    assert (await reply.json())["imports"] == []


@pytest.mark.parametrize(
    ("given", "code", "pointer"),
    [
        ({"channel": "pigeon"}, "invalid_parameter", "channel"),
        ({"dry_run": "perhaps"}, "invalid_parameter", "dry_run"),
        ({"delimiter": "::"}, "invalid_parameter", "delimiter"),
        ({"name": "%20"}, "invalid_parameter", "import"),
        ({"columns": "[]"}, "unreadable_import", "columns"),
        ({"columns": '{"nonsense": "x"}'}, "unreadable_import", "columns"),
        ({"time_zone": "Mars"}, "unreadable_import", "time_zone"),
        ({"encoding": "x"}, "unreadable_import", "encoding"),
    ],
)
async def test_what_cannot_be_meant_is_refused(client, keys, given, code, pointer):
    reply = await put(client, keys.operator, as_csv([ANN]), **given)
    document = await reply.json()
    assert (document["code"], document["errors"]) == (code, [{"pointer": pointer}])


async def test_what_is_no_list_is_refused_without_repeating_it(client, keys, service):
    for body in ("", f"name\n{ANN}\n", f'[{{"email": "{ANN}"}}]', f"{ANN},{BOB}\n"):
        reply = await put(client, keys.operator, body)
        assert await problem(reply) == (422, "unreadable_import")
        assert ANN not in await reply.text()


async def test_a_body_that_is_too_large_is_refused_and_what_was_read_of_it_stays(
    settings, service, keys, aiohttp_client
):
    service.settings = settings.model_copy(update={"import_body_bytes_max": 400_000})
    client = await aiohttp_client(app.build(service))

    acme = service.book.get("acme").brand_id

    async def parts():
        yield as_csv(people(5000)).encode()
        while not await events(service):
            await service.bell.wait(acme, timeout_seconds=1)
        yield "".join(f"{one}\n" for one in people(9000, 5000)).encode()

    reply = await put(client, keys.operator, parts())
    assert await problem(reply) == (413, "body_too_large")
    assert 0 < await events(service) < 14_000


async def test_more_imports_than_places_wait_and_are_then_refused(
    settings, service, keys, aiohttp_client
):
    service.settings = settings.model_copy(update={"connect_timeout_seconds": 0.01})
    client = await aiohttp_client(app.build(service))
    async with service.imports, service.imports:
        reply = await put(client, keys.operator, as_csv([ANN]))
        assert await problem(reply) == (503, "too_busy")


async def test_a_list_of_any_length_takes_little_memory(client, keys, service):
    async def lines(count):
        yield b"email,status\n"
        for first in range(0, count, 1000):
            yield b"".join(
                b"person%d@example.com,subscribed\n" % n for n in range(first, first + 1000)
            )

    peaks = []
    for number, count in enumerate((20_000, 200_000)):
        tracemalloc.start()
        try:
            told = await imported(client, keys, lines(count), name=f"list{number}")
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert told["refused"] == {"not_an_opt_out": count}
        assert told["refusals"][0] == {"line": 2, "why": "not_an_opt_out"}
    assert peaks[1] < peaks[0] + (8 << 20)
    kept = await service.database.pool.fetchval("select count(*) from import_refusal")
    assert kept == 2 * service.settings.import_refusals_kept_max


async def test_the_time_of_an_import_is_kept_apart_from_its_rows_own(client, keys, clock):
    await imported(client, keys, as_csv([ANN], "2024-03-14T12:00:00Z"))
    listed = await snapshot(client, keys.mailer)
    [row] = listed.rows
    assert row["since"] == "2024-03-14T12:00:00Z"
    reply = await client.get(f"{ACME}/feed", headers=keys.mailer, params={"limit": "100"})
    [change] = (await reply.json())["changes"]
    reply = await client.get(f"{ACME}/opt-outs/{change['opt_out_id']}", headers=keys.operator)
    document = json.loads(await reply.text())
    assert document["source"] == "import"
    assert document["received_at"] == "2024-03-14T12:00:00Z"
    assert document["recorded_at"] > "2025"
    assert document["evidence"]["line"] == 2
    assert document["deadline_at"] < "2024-04"
