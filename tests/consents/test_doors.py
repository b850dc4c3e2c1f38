"""From every door to Twilio, by the running service: who says stop anywhere is blocked there."""

import asyncio
import re
from html import unescape

import pytest
from prometheus_client import REGISTRY

from prefsvc import links
from prefsvc.links import Link
from prefsvc.work.consents import count_untold
from tests.consents.telling import NUMBER, SERVICE, TARGETS, phone
from tests.sms.twilio_client import signed, sms
from tests.support.cast import ACMES_NUMBER, ANNS_PHONE, ORIGIN, TWILIO_TOKEN
from tests.support.consent_server import ACCOUNT
from tests.support.lists import ACME, say_stop
from tests.support.waiting import until

HOOK = "/hooks/twilio/messages"
QUICK_SECONDS = 1
STATUS = f"{ACME}/twilio"


@pytest.fixture
async def seen(client, service, twilio):
    """The running service, once it has seen acme's targets."""
    both = "select count(*) = 2 from twilio_target"
    await until(lambda: service.database.pool.fetchval(both))
    return client


async def presses(client, service, address, **more):
    """Press the button behind a link."""
    token = links.seal(service.book.keyring.key("acme"), Link("sms", address, **more))
    reply = await client.post(f"/u/{token}", data={"List-Unsubscribe": "One-Click"})
    assert reply.status == 200


async def texts(client, body, **more):
    form = sms(body, from_=ANNS_PHONE, to=ACMES_NUMBER, **more)
    reply = await client.post(HOOK, data=form, headers=signed(ORIGIN + HOOK, form, TWILIO_TOKEN))
    assert reply.status == 200


async def status(client, keys):
    reply = await client.get(STATUS, headers=keys.operator)
    assert reply.status == 200, await reply.text()
    return await reply.json()


async def stands(client, keys, is_so):
    """Wait until it stands so; return how."""

    async def found():
        stand = await status(client, keys)
        return stand if is_so(stand) else None

    return await until(found)


async def test_one_click_on_the_web_is_a_block_at_twilio_within_a_second(seen, service, twilio):
    """S-25, S-30: the story of a link in a text message."""
    before = service.now()
    await presses(seen, service, ANNS_PHONE)
    async with asyncio.timeout(QUICK_SECONDS):
        told = await twilio.wait_for_items(2)
    assert {item["sender_id"] for item in told} == {SERVICE, NUMBER}
    for item in told:
        assert (item["contact_id"], item["status"]) == (ANNS_PHONE, "opt-out")
        assert item["source"] == "website"
        assert f"{before:%Y-%m-%dT%H:%M}" <= item["date_of_consent"]
        assert item["date_of_consent"] <= f"{service.now():%Y-%m-%dT%H:%M:%SZ}"
    assert {one.account for one in twilio.told} == {ACCOUNT}


async def test_a_topics_link_blocks_nothing(seen, service, twilio, keys):
    await presses(seen, service, ANNS_PHONE, topic="news")
    await presses(seen, service, phone(150))
    await twilio.wait_for_items(2)
    assert {item["contact_id"] for item in twilio.items} == {phone(150)}


async def test_stop_in_words_that_twilio_does_not_match_is_told_and_start_lifts_it(
    seen, twilio, clock
):
    await texts(seen, "please stop texting me")
    told = await twilio.wait_for_items(2)
    assert {(item["status"], item["source"]) for item in told} == {("opt-out", "opt-out-message")}
    clock.move(minutes=5)
    await texts(seen, "START")
    told = (await twilio.wait_for_items(4))[2:]
    assert {(item["status"], item["source"]) for item in told} == {("opt-in", "opt-in-message")}
    assert {item["sender_id"] for item in told} == set(TARGETS)


async def test_a_start_of_unknown_order_has_the_stop_told_again(seen, twilio):
    """It lifts nothing here, for it may be the older word; Twilio lifts its block all the same."""
    await texts(seen, "STOP")
    await twilio.wait_for_items(2)
    await texts(seen, "START")
    told = (await twilio.wait_for_items(4))[2:]
    assert {item["status"] for item in told} == {"opt-out"}


async def test_an_undone_click_is_told_as_an_opt_in(seen, service, twilio, clock):
    token = links.seal(service.book.keyring.key("acme"), Link("sms", ANNS_PHONE))
    page = await seen.post(f"/u/{token}", headers={"Accept": "text/html"})
    ticket = re.search(r'name="ticket" value="([^"]*)"', await page.text())[1]
    await twilio.wait_for_items(2)
    clock.move(minutes=1)
    assert (await seen.post(f"/u/{token}/undo", data={"ticket": unescape(ticket)})).status == 200
    told = (await twilio.wait_for_items(4))[2:]
    assert {(item["status"], item["source"]) for item in told} == {("opt-in", "website")}


@pytest.mark.parametrize(
    ("source", "told_as"),
    [("letter", "offline"), ("phone", "offline"), ("registration", "website"), ("api", "others")],
)
async def test_it_says_how_the_company_heard(seen, twilio, keys, source, told_as):
    await say_stop(seen, keys, ANNS_PHONE, channel="sms", source=source, evidence={"how": "a test"})
    assert {item["source"] for item in await twilio.wait_for_items(2)} == {told_as}


async def test_what_failed_is_counted_and_shown(seen, service, twilio, keys):
    twilio.errors[ANNS_PHONE] = (30646, ["INVALID_CONTACT_ID"])
    await presses(seen, service, ANNS_PHONE)
    found = await stands(seen, keys, lambda found: found["failed_count"] == 2)
    assert found["errors"] == [{"error": "30646 INVALID_CONTACT_ID", "count": 2}]
    assert [one["failed_count"] for one in found["targets"]] == [1, 1]
    await count_untold(service)
    assert sample("prefsvc_twilio_failed") == 2


async def test_how_it_stands_is_shown_with_an_estimate(seen, service, twilio, keys):
    assert await status(seen, keys) | {"targets": []} == {
        "account": ACCOUNT,
        "has_token": True,
        "answered_at": None,
        "failing_since": None,
        "failing_how": None,
        "fresh": nothing_waits(),
        "backfill": nothing_waits(),
        "oldest_at": None,
        "failed_count": 0,
        "errors": [],
        "targets": [],
    }
    twilio.answers = [403]
    said = await say_stop(seen, keys, ANNS_PHONE, channel="sms")
    await say_stop(seen, keys, phone(150), channel="sms", source="import", evidence={"file": "1"})
    found = await stands(seen, keys, lambda found: found["failing_since"])
    assert found["failing_how"] == "forbidden"
    assert found["oldest_at"]
    assert found["fresh"]["row_count"] == 2
    assert found["fresh"]["next_deadline_at"] == said["deadline_at"]
    assert found["fresh"]["through_at"] > found["failing_since"]
    assert not found["fresh"]["may_miss_deadline"]
    # Rows are queued a moment before the positions that they came from are noted as read.
    found = await stands(
        seen,
        keys,
        lambda found: (
            (found["backfill"]["row_count"], found["backfill"]["position_count"]) == (2, 0)
        ),
    )
    assert found["backfill"]["through_at"] >= found["fresh"]["through_at"]
    assert {one["target"] for one in found["targets"]} == set(TARGETS)
    await count_untold(service)
    assert sample("prefsvc_twilio_pending", lane="fresh") == 2
    assert sample("prefsvc_twilio_pending", lane="backfill") == 2
    assert sample("prefsvc_twilio_through_seconds", lane="backfill") > 50
    assert sample("prefsvc_twilio_without_token") == 0


async def test_a_deadline_that_comes_before_the_backlog_is_through_is_said(
    seen, service, twilio, keys, clock
):
    twilio.answers = [403]
    await say_stop(seen, keys, ANNS_PHONE, channel="sms")
    await stands(seen, keys, lambda found: found["failing_since"])
    await service.database.pool.execute(
        "update twilio_account set next_request_at = next_request_at + interval '60 days'"
    )
    assert (await status(seen, keys))["fresh"]["may_miss_deadline"]
    await count_untold(service)
    assert sample("prefsvc_twilio_may_miss_deadline", lane="fresh") == 1
    assert sample("prefsvc_twilio_may_miss_deadline", lane="backfill") == 0


async def test_what_twilio_does_not_take_is_not_through_before_it_is_told_again(
    seen, service, twilio, keys
):
    twilio.errors[ANNS_PHONE] = (30646, ["INTERNAL_SERVER_ERROR"])
    await say_stop(seen, keys, ANNS_PHONE, channel="sms")
    rows = "select count(*) = 2 and min(attempt_count) = 1 from twilio_consent"
    await until(lambda: service.database.pool.fetchval(rows))
    await service.database.pool.execute(
        "update twilio_consent set next_attempt_at = deadline_at + interval '1 hour'"
    )
    fresh = (await status(seen, keys))["fresh"]
    assert fresh["through_at"] > fresh["next_deadline_at"]
    assert fresh["may_miss_deadline"]


async def test_a_brand_without_an_account_is_told_so(seen, keys):
    reply = await seen.get("/v1/brands/globex/twilio", headers=keys.globex_operator)
    assert await reply.json() == {"account": None}


async def test_only_its_own_operator_sees_it(seen, keys):
    for headers in (keys.mailer, keys.globex_operator):
        assert (await seen.get(STATUS, headers=headers)).status == 403


def nothing_waits():
    return {
        "row_count": 0,
        "position_count": 0,
        "next_deadline_at": None,
        "through_at": None,
        "may_miss_deadline": False,
    }


def sample(name, **labels):
    return REGISTRY.get_sample_value(name, {"account": ACCOUNT} | labels)
