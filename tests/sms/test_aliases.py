"""Two spellings of one number, at Twilio's door and in everything that senders read (DESIGN §5)."""

import asyncio

import pytest

from prefsvc.verification import verify
from tests.sms.twilio_client import signed, sms
from tests.support.cast import ACMES_NUMBER, ANNS_PHONE, ORIGIN, TWILIO_TOKEN
from tests.support.doubtful import HOOK, apply_acme
from tests.support.lists import Follower, check, say_start, say_stop, sha256, snapshot

OLD, NEW = "+5215555550123", "+525555550123"
PAIRS = [
    (OLD, NEW),
    ("+5491155550123", "+541155550123"),
    ("+5511999990123", "+551199990123"),
    ("+2250707000123", "+22507000123"),
]


@pytest.fixture
def text(client, clock):
    async def sent(body, from_=OLD, **more):
        if body == "START":
            clock.move(minutes=1)  # what crosses a STOP lifts nothing (S-20)
        form = sms(body, from_=from_, to=ACMES_NUMBER, **more)
        reply = await client.post(
            HOOK, data=form, headers=signed(ORIGIN + HOOK, form, TWILIO_TOKEN)
        )
        assert reply.status == 200

    return sent


@pytest.fixture
def may_text(client, keys):
    async def asked(*numbers, **more):
        return [one["may_send"] for one in await check(client, keys.texter, *numbers, **more)]

    return asked


@pytest.fixture
def rows(service):
    async def read():
        return [
            tuple(row)
            for row in await service.database.pool.fetch(
                "select a.canonical, e.act, e.reason, e.effect from preference_event e"
                " join address a using (bucket, address_key) order by e.recorded_at, e.event_id"
            )
        ]

    return read


@pytest.mark.parametrize(("one", "other"), [*PAIRS, *((b, a) for a, b in PAIRS)])
async def test_a_stop_in_one_spelling_stops_the_other_in_all_that_senders_read(
    text, client, keys, one, other
):
    await text("STOP", one)
    [verdict] = await check(client, keys.texter, other)
    assert (verdict["may_send"], verdict["reason"], verdict["scope"]) == (False, "alias", "channel")
    assert await check(client, keys.texter, sha256=[sha256(other)]) == [verdict]
    [itself] = await check(client, keys.texter, one)
    assert (itself["reason"], itself["deadline_at"]) == ("opt_out", verdict["deadline_at"])
    listed = await snapshot(client, keys.texter)
    both = {(one, "opt_out"), (other, "alias")}
    assert {(row["address"], row["reason"]) for row in listed.rows} == both
    feed = await Follower(client, keys.texter).catch_up()
    assert feed.suppressed == listed.suppressed


async def test_a_stop_on_whatsapp_stops_the_other_spelling_there_too(text, client, keys):
    """WhatsApp still calls Mexicans by the old spelling."""
    await text("STOP", f"whatsapp:{OLD}")
    [verdict] = await check(client, keys.operator, NEW, channel="whatsapp")
    assert verdict["reason"] == "alias"
    await text("START", f"whatsapp:{OLD}")
    assert await check(client, keys.operator, NEW, channel="whatsapp") == [{"may_send": True}]


async def test_an_opt_out_of_the_brand_reaches_both_spellings_on_both_channels(client, keys):
    await say_stop(client, keys, OLD, channel="sms", scope="brand")
    for channel in ("sms", "whatsapp"):
        verdicts = await check(client, keys.operator, OLD, NEW, channel=channel)
        assert [one["reason"] for one in verdicts] == ["opt_out", "alias"]
    answer = await say_start(client, keys, OLD, channel="sms", scope="brand")
    assert answer["also_lifted"] == ["alias"]
    for channel in ("sms", "whatsapp"):
        free = [{"may_send": True}] * 2
        assert await check(client, keys.operator, OLD, NEW, channel=channel) == free


async def test_an_alias_is_about_marketing_and_nothing_else(text, may_text):
    await text("STOP")
    assert await may_text(NEW, topic="news") == [False]
    assert await may_text(NEW, message_class="transactional") == [True]
    assert await may_text(NEW, message_class="service") == [True]


async def test_a_start_lifts_in_both_spellings_what_the_stop_put_there(
    text, may_text, client, keys
):
    await text("STOP")
    follower = await Follower(client, keys.texter).catch_up()
    await text("START")
    assert await may_text(OLD, NEW) == [True, True]
    assert (await follower.catch_up()).suppressed == {}
    assert not (await snapshot(client, keys.texter)).rows


async def test_what_was_said_in_the_other_spelling_itself_stands(text, may_text, client, keys):
    await text("STOP", NEW)
    await text("STOP", OLD)
    await text("START", OLD)
    [verdict] = await check(client, keys.texter, NEW)
    assert (verdict["may_send"], verdict["reason"]) == (False, "opt_out")
    # And so it stands for the first spelling, too.
    assert await may_text(OLD) == [False]
    await text("START", NEW)
    assert await may_text(OLD, NEW) == [True, True]


async def test_a_start_in_the_other_spelling_lifts_nothing_of_it(text, may_text):
    await text("STOP", OLD)
    await text("START", NEW)
    assert await may_text(OLD, NEW) == [False, False]


async def test_an_opt_in_that_lifts_nothing_puts_nothing_anywhere(text, client, keys, rows):
    await text("STOP")
    before = await rows()
    answer = await say_start(client, keys, OLD, channel="sms", source="form")
    assert (answer["lifted"], answer["also_lifted"]) == (False, [])
    assert (await rows())[len(before) :] == [(OLD, "opt_in", "opt_out", "none")]


async def test_an_opt_in_says_that_it_lifted_the_alias_too(client, keys):
    await say_stop(client, keys, OLD, channel="sms", topic="news")
    answer = await say_start(client, keys, OLD, channel="sms", topic="news")
    assert (answer["lifted"], answer["also_lifted"]) == (True, ["alias"])


@pytest.mark.parametrize("first", ["opt_out", "complaint"])
async def test_an_alias_stands_as_long_as_an_opt_out_or_a_complaint_does(
    client, keys, may_text, first
):
    last = {"opt_out": "complaint", "complaint": "opt_out"}[first]
    await say_stop(client, keys, OLD, channel="sms", reason="complaint")
    await say_stop(client, keys, OLD, channel="sms")
    await say_start(client, keys, OLD, channel="sms", reason=first)
    assert await may_text(OLD, NEW) == [False, False]
    await say_start(client, keys, OLD, channel="sms", reason=last)
    assert await may_text(OLD, NEW) == [True, True]


@pytest.mark.parametrize("reason", ["undeliverable", "deactivated", "restriction"])
async def test_a_fact_about_one_spelling_is_none_about_the_other(client, keys, may_text, reason):
    await say_stop(client, keys, OLD, channel="sms", reason=reason)
    assert await may_text(NEW, message_class="service") == [True]
    assert await may_text(NEW) == [True]


async def test_an_alias_names_the_event_that_it_follows_from_and_no_number(client, keys):
    said = await say_stop(client, keys, OLD, channel="sms", country="MX")
    [verdict] = await check(client, keys.texter, NEW)
    path = f"/v1/brands/acme/opt-outs/{verdict['opt_out_id']}"
    reply = await client.get(path, headers=keys.operator)
    event = await reply.json()
    assert event["evidence"] == {"follows": said["opt_out_id"]}
    assert (event["reason"], event["source"]) == ("alias", "api")
    assert event["deadline_at"] == said["deadline_at"]
    assert event["deadline"]["country"] == "MX"
    assert OLD[1:] not in await reply.text()


async def test_nobody_can_give_the_reason_alias(client, keys):
    for act in ("opt-outs", "opt-ins"):
        body = {"channel": "sms", "address": OLD, "reason": "alias", "source": "phone"}
        reply = await client.post(
            f"/v1/brands/acme/{act}", headers=keys.operator, json=body | {"evidence": {"a": 1}}
        )
        assert (reply.status, (await reply.json())["code"]) == (400, "invalid_body")


async def test_a_number_of_one_spelling_has_one_row_for_each_thing_said(text, rows):
    await text("STOP", ANNS_PHONE)
    await text("START", ANNS_PHONE)
    assert [row[1:] for row in await rows()] == [
        ("opt_out", "opt_out", "added"),
        ("opt_in", "opt_out", "lifted"),
    ]


async def test_a_late_duplicate_changes_the_alias_no_more_than_the_number(text, may_text, rows):
    for body, number in (("STOP", "1"), ("START", "2")):
        await text(body, MessageSid="SM" + number * 32)
    before = await rows()
    await text("STOP", MessageSid="SM" + "1" * 32)
    assert await rows() == before
    assert await may_text(OLD, NEW) == [True, True]


async def test_the_ledger_proves_the_aliases(text, service):
    for body, number in (("STOP", OLD), ("START", OLD), ("STOP", NEW), ("STOP", OLD)):
        await text(body, number)
    assert not await broken_places(service)


async def broken_places(service):
    installation_id = service.installation.installation_id
    async with service.database.read(snapshot=True) as tx:
        found = await verify(tx, service.vault, installation_id, service.book, {})
    return found.wrong


async def test_both_spellings_texting_at_once_never_wait_for_each_other_for_ever(
    text, may_text, service
):
    """Each writes to the place of the other; "wrong number" looks before it writes."""
    await apply_acme(service, doubtful="suppress")
    said = ["STOP", "START", "wrong number"] * 4
    await asyncio.gather(*(text(body, number) for body in said for number in (OLD, NEW)))
    await text("STOP", OLD)
    assert await may_text(OLD, NEW) == [False, False]
    assert not await broken_places(service)
