"""What a sender sent, judged line by line."""

import asyncio
import gzip
import json
import os
import socket
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from prefsvc import api_keys, app, brands, senders
from prefsvc.web.lines import LINE_BYTES_MAX
from prefsvc.web.send_api import BATCH_LINES
from tests.support.cast import ANN, ANNS_PHONE, BOB, acme
from tests.support.lists import ACME, problem, say_start, say_stop, sha256
from tests.support.sending import (
    acknowledge,
    case,
    cases,
    post_sends,
    read_report,
    register,
    report,
)
from tests.support.waiting import until

SECOND = timedelta(seconds=1)
FOUND = "select count(*) from violation"


def when(text):
    return datetime.fromisoformat(text)


def sent(address, at, **more):
    return {"address": address, "sent_at": at.isoformat()} | more


@pytest.fixture
async def stopped(client, keys, clock, service):
    """Ann's opt-out, whose deadline has passed by a day; the answer to it."""
    clock.stop(service.now())
    said = await say_stop(client, keys, ANN)
    clock.stop(when(said["deadline_at"]) + timedelta(days=1))
    return said


async def test_every_message_is_judged_by_its_own_moment(client, keys, stopped):
    received, deadline = when(stopped["received_at"]), when(stopped["deadline_at"])
    made = await report(
        client,
        keys.mailer,
        sent(ANN, received - SECOND),
        sent(ANN, received),
        sent(ANN, deadline),
        sent(ANN, deadline + SECOND),
        sent(ANN, deadline + SECOND, topic="orders"),
        sent(BOB, deadline + SECOND),
    )
    assert made.verdicts == ["clear", "in_flight", "in_flight", "violation", "exempt", "clear"]
    assert [line.get("why") for line in made.lines[1:5]] == [
        "inside_the_window", "inside_the_window", "after_the_deadline", "class_not_covered"
    ]  # fmt: skip
    violation = made.lines[3]
    assert violation["opt_out_id"] == stopped["opt_out_id"]
    assert violation["deadline_at"] == stopped["deadline_at"]
    assert made.end["counts"] == {
        "clear": 2, "in_flight": 2, "violation": 1, "exempt": 1, "refused": 0
    }  # fmt: skip
    assert when(made.end["first_sent_at"]) == received - SECOND
    assert when(made.end["last_sent_at"]) == deadline + SECOND
    assert made.end["cases"] == [violation["case_id"]]


async def test_a_digest_in_any_case_stands_for_its_address(client, keys, stopped):
    at = when(stopped["deadline_at"]) + SECOND
    made = await report(
        client,
        keys.mailer,
        {"sha256": sha256(ANN).upper(), "sent_at": at.isoformat()},
        {"sha256": sha256(BOB), "sent_at": at.isoformat()},
    )
    assert made.verdicts == ["violation", "clear"]


async def test_what_was_lifted_before_it_was_sent_is_clear(client, keys, clock, stopped):
    await say_start(client, keys, ANN)
    lifted = clock()
    clock.move(hours=2)
    made = await report(client, keys.mailer, sent(ANN, lifted - SECOND), sent(ANN, lifted + SECOND))
    assert made.verdicts == ["violation", "clear"]


async def test_a_text_is_judged_by_the_texters_own_channel(client, keys, clock):
    said = await say_stop(client, keys, ANNS_PHONE, channel="sms")
    clock.move(days=30)
    at = when(said["deadline_at"]) + SECOND
    made = await report(client, keys.texter, sent(ANNS_PHONE, at), sent("+1 (202) 555-0123", at))
    assert made.verdicts == ["violation", "violation"]


@pytest.fixture
async def printer(service):
    """The key of acme's printer, which posts letters."""
    async with service.database.transaction() as tx:
        brand = service.book.get("acme")
        sender = await senders.add(tx, brand, "printer", "post")
        key = await api_keys.create(tx, label="test", brand=brand, sender=sender)
    return {"Authorization": f"Bearer {key}"}


async def test_a_letter_cut_before_the_opt_out_is_in_flight_whatever_the_day(
    client, keys, clock, printer
):
    await register(client, printer, "catalogue")
    clock.move(hours=1)
    said = await say_stop(client, keys, "household-7", channel="post")
    clock.move(days=200)
    at = when(said["deadline_at"]) + timedelta(days=100)
    made = await report(
        client, printer, sent("household-7", at, mailing="catalogue"), sent("household-7", at)
    )
    assert made.verdicts == ["in_flight", "violation"]
    assert made.lines[0]["why"] == "cut_before_the_opt_out"


async def test_the_mailing_says_what_a_line_leaves_open(client, keys, clock):
    await register(client, keys.mailer, "receipts", topic="orders")
    said = await say_stop(client, keys, ANN)
    clock.move(days=60)
    at = when(said["deadline_at"]) + SECOND
    made = await report(
        client,
        keys.mailer,
        sent(ANN, at, mailing="receipts"),
        sent(ANN, at, mailing="receipts", message_class="marketing"),
        sent(ANN, at, mailing="receipts", topic="news"),
    )
    assert made.verdicts == ["exempt", "violation", "violation"]


async def test_a_message_about_a_topic_that_the_brand_dropped_since_is_judged_all_the_same(
    client, keys, clock, service
):
    await register(client, keys.mailer, "spring", topic="news")
    said = await say_stop(client, keys, ANN, scope="topic", topic="news")
    async with service.database.transaction() as tx:
        await brands.apply(tx, [replace(acme(), topics=acme().topics[1:])])
    await service.refresh_book()
    clock.move(days=60)
    at = when(said["deadline_at"]) + SECOND
    made = await report(
        client,
        keys.mailer,
        sent(ANN, at, mailing="spring"),
        sent(ANN, at, mailing="spring", topic="news"),
        sent(ANN, at, mailing="spring", message_class="transactional"),
        sent(ANN, at, topic="news"),
    )
    assert made.verdicts == ["violation", "violation", "exempt", "refused"]
    assert made.lines[3]["code"] == "unknown_topic"


BAD_LINES = [
    ('{"address": "bob@example.org", "sent', "invalid_body"),
    ('{"address": "bob@example.org"}', "invalid_body"),
    ('{"sent_at": "2026-01-01T00:00:00Z"}', "invalid_body"),
    ('{"address": "bob@example.org", "sent_at": "2026-01-01T00:00:00"}', "invalid_body"),
    ('{"address": "bob@example.org", "sent_at": "2199-01-01T00:00:00Z"}', "sent_in_the_future"),
    ('{"address": "@", "sent_at": "2026-01-01T00:00:00Z"}', "invalid_address"),
    ('{"sha256": "12", "sent_at": "2026-01-01T00:00:00Z"}', "invalid_body"),
    (
        '{"address": "bob@example.org", "sent_at": "2026-01-01T00:00:00Z", "topic": "x"}',
        "unknown_topic",
    ),
    (
        '{"address": "bob@example.org", "sent_at": "2026-01-01T00:00:00Z", "mailing": "x"}',
        "unknown_mailing",
    ),
    ('{"a": "' + "x" * LINE_BYTES_MAX + '"}', "body_too_large"),
    ("[]", "invalid_body"),
    ("\\xff", "invalid_body"),
]


async def test_a_bad_line_is_refused_with_a_sentence_and_the_others_count(
    client, keys, stopped, service
):
    good = json.dumps(sent(ANN, when(stopped["deadline_at"]) + SECOND))
    body = "".join(f"{bad}\n{good}\n\n" for bad, _ in BAD_LINES)
    reply = await post_sends(client, keys.mailer, body.encode())
    made = read_report(text := await reply.text())
    refused, judged = made.lines[0::2], made.lines[1::2]
    assert [line["code"] for line in refused] == [code for _, code in BAD_LINES]
    assert all(line["detail"].endswith(".") for line in refused)
    assert {line["verdict"] for line in judged} == {"violation"}
    assert made.end["counts"]["refused"] == len(BAD_LINES)
    assert "example.org" not in text
    assert await service.database.pool.fetchval(FOUND) == 1


async def test_half_a_line_at_the_end_is_refused_and_what_came_before_counts(client, keys, stopped):
    good = json.dumps(sent(ANN, when(stopped["deadline_at"]) + SECOND))
    reply = await post_sends(client, keys.mailer, f"{good}\n{good[:30]}".encode())
    assert read_report(await reply.text()).verdicts == ["violation", "refused"]


async def test_a_clock_that_is_a_little_ahead_is_no_future(client, keys, clock, settings):
    clock.stop(clock())
    ahead = timedelta(seconds=settings.sender_clock_ahead_seconds_max)
    made = await report(
        client, keys.mailer, sent(BOB, clock() + ahead), sent(BOB, clock() + ahead + SECOND)
    )
    assert made.verdicts == ["clear", "refused"]


async def test_an_impossible_date_is_long_past(client, keys):
    made = await report(
        client, keys.mailer, {"address": BOB, "sent_at": "0001-01-01T00:00:00+14:00"}
    )
    assert made.verdicts == ["clear"]
    assert made.end["first_sent_at"] == "1970-01-01T00:00:00Z"


async def test_the_same_report_again_finds_the_same_violations(client, keys, stopped, service):
    send = sent(ANN, when(stopped["deadline_at"]) + SECOND)
    first = await report(client, keys.mailer, send)
    again = await report(client, keys.mailer, send, send)
    assert {line["case_id"] for line in again.lines} == set(first.end["cases"])
    assert await service.database.pool.fetchval(FOUND) == 1
    [opened] = await cases(client, keys.operator)
    assert opened["violation_count"] == 1


async def test_what_the_sender_could_have_known_is_written_down(client, keys, clock):
    said = await say_stop(client, keys, ANN)
    deadline = when(said["deadline_at"])
    await register(client, keys.mailer, "late")
    clock.stop(deadline + timedelta(days=1))
    await acknowledge(client, keys.mailer)
    clock.stop(deadline + timedelta(days=3))
    made = await report(
        client,
        keys.mailer,
        sent(ANN, deadline + timedelta(hours=12), mailing="late"),
        sent(ANN, deadline + timedelta(days=2), mailing="late"),
        sent(ANN, deadline + timedelta(days=2)),
    )
    late, unnamed = [await case(client, keys.operator, one) for one in made.end["cases"]]
    assert [
        (one["had_heard"], one["list_had_it"], one["acknowledged_at"] is not None)
        for one in late["violations"] + unnamed["violations"]
    ] == [(False, True, False), (True, True, True), (True, None, True)]
    assert (late["mailing"], unnamed["mailing"]) == ("late", None)


async def test_an_operator_reports_for_a_sender_that_it_names(client, keys, stopped):
    send = sent(ANN, when(stopped["deadline_at"]) + SECOND)
    reply = await post_sends(client, keys.operator, json.dumps(send).encode())
    assert await problem(reply) == (400, "invalid_parameter")
    made = await report(client, keys.operator, send, sender="mailer")
    assert made.verdicts == ["violation"]
    reply = await post_sends(client, keys.operator, b"{}", sender="nobody")
    assert await problem(reply) == (404, "unknown_sender")
    reply = await post_sends(client, keys.texter, b"{}", sender="mailer")
    assert await problem(reply) == (403, "not_allowed")


async def test_a_report_without_lines_is_refused_and_not_kept(client, keys, service):
    for body in (b"", b"\n \n\n"):
        assert await problem(await post_sends(client, keys.mailer, body)) == (400, "empty_report")
    assert await service.database.pool.fetchval("select count(*) from send_report") == 0


async def test_the_report_is_kept_with_its_counts_and_the_digest_of_what_was_read(
    client, keys, service, stopped
):
    body = json.dumps(sent(ANN, when(stopped["deadline_at"]) + SECOND)).encode()
    made = read_report(await (await post_sends(client, keys.mailer, body)).text())
    row = await service.database.pool.fetchrow("select * from send_report")
    assert str(row["report_id"]) == made.end["report_id"]
    assert (row["violation_count"], row["clear_count"]) == (1, 0)
    assert row["body_sha256"].hex() == sha256(body.decode())
    assert row["received_at"] <= row["finished_at"]


async def test_gzip_is_read(client, keys, stopped):
    body = json.dumps(sent(ANN, when(stopped["deadline_at"]) + SECOND)).encode()
    headers = keys.mailer | {"Content-Encoding": "gzip"}
    reply = await post_sends(client, headers, gzip.compress(body))
    assert read_report(await reply.text()).verdicts == ["violation"]


async def test_more_lines_than_allowed_are_refused_and_the_first_stand(
    service, keys, aiohttp_client, stopped, settings
):
    service.settings = settings.model_copy(update={"sends_lines_max": 3})
    client = await aiohttp_client(app.build(service))
    good = json.dumps(sent(ANN, when(stopped["deadline_at"]) + SECOND)).encode() + b"\n"
    reply = await post_sends(client, keys.mailer, good * 4)
    assert await problem(reply) == (413, "body_too_large")
    row = await service.database.pool.fetchrow("select * from send_report")
    assert (row["violation_count"], row["finished_at"]) == (3, None)


async def test_what_was_read_before_the_connection_broke_off_counts(client, keys, stopped, service):
    good = json.dumps(sent(ANN, when(stopped["deadline_at"]) + SECOND)).encode()
    lines = (good + b"\n") * BATCH_LINES + good[:20]
    head = (
        f"POST {ACME}/sends HTTP/1.1\r\nHost: x\r\nContent-Length: {len(lines) + 1000}\r\n"
        f"Authorization: {keys.mailer['Authorization']}\r\n\r\n"
    )
    with socket.create_connection((client.host, client.port)) as connection:
        await asyncio.to_thread(connection.sendall, head.encode() + lines)
        await until(lambda: service.database.pool.fetchval(FOUND))
    again = await report(client, keys.mailer, json.loads(good))
    assert again.verdicts == ["violation"]
    assert await service.database.pool.fetchval(FOUND) == 1
    rows = await service.database.pool.fetch(
        "select violation_count, refused_count, finished_at is null from send_report order by 1"
    )
    assert [tuple(row) for row in rows] == [(1, 0, False), (BATCH_LINES, 0, True)]


async def trickling(enough):
    """Send half a line, and no more before it is enough."""
    yield b"{"
    await enough.wait()


async def test_a_sender_reads_two_reports_at_once_and_takes_no_others_place(
    service, keys, aiohttp_client, settings, printer
):
    service.settings = settings.model_copy(update={"connect_timeout_seconds": 0.05})
    client = await aiohttp_client(app.build(service))
    enough = asyncio.Event()
    held = [
        asyncio.create_task(post_sends(client, keys.mailer, trickling(enough)))
        for _ in range(settings.sends_at_once_max)
    ]
    async with asyncio.timeout(10):
        for refused in islice(asyncio.as_completed(held), 2):
            assert await problem(await refused) == (503, "too_busy")
    made = await report(client, printer, sent("household-7", service.now()))
    assert made.verdicts == ["clear"]
    enough.set()
    replies = await asyncio.gather(*held)
    assert sorted(reply.status for reply in replies) == [200, 200, 503, 503]


def memory_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_a_long_report_takes_no_object_for_each_of_its_lines(client, keys, stopped):
    at = when(stopped["deadline_at"]) + SECOND
    few = [{"sha256": sha256(one), "sent_at": at.isoformat()} for one in (BOB, "x")]
    part = b"".join(json.dumps(one).encode() + b"\n" for one in few * 500)

    async def body():
        for _ in range(200):
            yield part

    before = memory_bytes()
    peak, last = before, b""
    reply = await post_sends(client, keys.mailer, body())
    async for line in reply.content:
        peak, last = max(peak, memory_bytes()), line
    assert json.loads(last)["counts"]["clear"] == 200_000
    assert (peak - before) / 200_000 < 150, "bytes a line; the smallest object of its own is more"


async def test_a_violation_raises_one_alarm_for_its_case(client, keys, stopped, service):
    at = when(stopped["deadline_at"])
    for number in range(1, 4):
        await report(client, keys.mailer, sent(ANN, at + number * SECOND))
    steps = await service.database.pool.fetch("select step, spell_id from alarm")
    [opened] = await cases(client, keys.operator)
    assert [(row["step"], str(row["spell_id"])) for row in steps if row["step"] == "violation"] == [
        ("violation", opened["case_id"])
    ]
    assert opened["violation_count"] == 3


async def test_another_brands_opt_out_says_nothing_here(client, keys, stopped):
    at = when(stopped["deadline_at"]) + SECOND
    body = json.dumps(sent(ANN, at)).encode()
    reply = await client.post("/v1/brands/globex/sends", headers=keys.globex_mailer, data=body)
    assert read_report(await reply.text()).verdicts == ["clear"]
