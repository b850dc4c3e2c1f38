"""What follows from each answer, from none, and from a death in between."""

import asyncio
from datetime import timedelta

import pytest
from aiohttp import web
from pydantic import SecretStr
from structlog.testing import capture_logs

from prefsvc.outward.twilio_consents import Consents
from prefsvc.vault import open_vault
from prefsvc.work.consents import count_untold, teller
from tests.consents.telling import TARGETS, Telling, phone
from tests.support.cast import ANNS_PHONE
from tests.support.consent_server import ACCOUNT, TOKEN, Told

TEN = [phone(number) for number in range(130, 140)]
BAD = TEN[3]


def correlated(request):
    """The items of a request, whatever their order."""
    return {item["correlation_id"]: item for item in request.items}


@pytest.fixture
async def seen(telling):
    """Twilio, told of nothing yet, and a process that has seen every target."""
    await telling.see()
    return telling


async def test_what_fails_is_told_again_and_nothing_else(seen):
    seen.twilio.errors[BAD] = (30646, ["INTERNAL_SERVER_ERROR"])
    await seen.stops(*TEN)
    await seen.round(seconds=1)
    rows = await seen.rows()
    assert [(row["state"], row["attempt_count"], row["error"]) for row in rows] == [
        ("pending", 1, "30646 INTERNAL_SERVER_ERROR")
    ] * 2
    waits = {row["next_attempt_at"] - seen.service.now() for row in rows}
    assert all(timedelta(seconds=4) < wait <= timedelta(seconds=5) for wait in waits)
    seen.twilio.errors.clear()
    await seen.round(seconds=1)
    assert len(seen.twilio.told) == 1
    await seen.round(seconds=5)
    [first, second] = seen.twilio.told
    assert [item["contact_id"] for item in second.items] == [BAD] * 2
    before = {i["correlation_id"] for i in first.items if i["contact_id"] == BAD}
    assert {item["correlation_id"] for item in second.items} == before
    assert await seen.rows() == []


async def test_what_the_answer_leaves_out_was_not_told(seen):
    seen.twilio.left_out.add(BAD)
    await seen.stops(*TEN)
    await seen.round(seconds=1)
    rows = await seen.rows()
    assert [row["error"] for row in rows] == ["left out of the answer"] * 2
    seen.twilio.left_out.clear()
    await seen.round(seconds=6)
    assert [item["contact_id"] for item in seen.twilio.told[-1].items] == [BAD] * 2
    assert await seen.rows() == []


async def test_what_twilio_finds_invalid_has_failed_and_is_kept_without_its_words(seen):
    words = f"INVALID_CONTACT_ID: {BAD} is not a valid number"
    seen.twilio.errors[BAD] = (30646, [words])
    await seen.stops(*TEN)
    await seen.until_quiet()
    assert [(row["state"], row["error"]) for row in await seen.rows()] == [
        ("failed", "30646 INVALID_CONTACT_ID")
    ] * 2
    await seen.until_quiet(seconds=86400)
    assert len(seen.twilio.told) == 1


async def test_an_error_that_stays_has_failed_when_the_schedule_is_over(seen):
    seen.twilio.errors[BAD] = (99999, ["Try another time."])
    await seen.stops(BAD)
    attempts = len(seen.service.settings.delivery_schedule_seconds) + 1
    for _ in range(attempts):
        await seen.round(seconds=86400)
    assert {row["state"] for row in await seen.rows()} == {"failed"}
    assert len(seen.twilio.told) == attempts
    await seen.round(seconds=86400)
    assert len(seen.twilio.told) == attempts


async def test_a_new_word_is_told_though_the_last_one_failed(seen):
    seen.twilio.errors[BAD] = (30646, ["INVALID_SOURCE"])
    await seen.stops(BAD)
    await seen.until_quiet()
    seen.twilio.errors.clear()
    await seen.starts(BAD)
    await seen.until_quiet()
    assert {item["status"] for item in seen.twilio.told[-1].items} == {"opt-in"}
    assert await seen.rows() == []


@pytest.mark.parametrize("status", [500, 502, 503, 302, 429, 403, 404])
async def test_a_request_that_comes_to_nothing_charges_no_item(seen, status):
    seen.twilio.answers = [status]
    await seen.stops(*TEN)
    await seen.round(seconds=1)
    rows = await seen.rows()
    assert {(row["attempt_count"], row["claim_id"]) for row in rows} == {(0, None)}
    await seen.until_quiet(seconds=60)
    [first, second] = seen.twilio.told
    assert correlated(second) == correlated(first)
    assert await seen.rows() == []


async def test_429_is_honoured_for_as_long_as_it_says(seen):
    seen.clock.stop(seen.service.now())
    for number in range(100):
        seen.twilio.told.append(_earlier(seen, number))
    await seen.stops(ANNS_PHONE)
    await seen.round(seconds=1)
    assert seen.twilio.slowed == 1
    for _ in range(29):
        await seen.round(seconds=1)
    assert seen.twilio.slowed == 1
    seen.twilio.told.clear()
    await seen.round(seconds=2)
    assert {item["contact_id"] for item in seen.twilio.items} == {ANNS_PHONE}


def _earlier(telling, number):
    return Told(telling.service.now() - timedelta(seconds=number / 10), ACCOUNT, [])


async def test_garbage_for_an_answer_is_none(seen):
    async def garbage(_):
        return web.Response(status=201, body=b'{"items": [\xff')

    async def flood(_):
        return web.Response(status=201, body=b'{"items": [' + b" " * 100_000)

    seen.twilio.answers = [garbage, flood]
    await seen.stops(ANNS_PHONE)
    await seen.until_quiet(seconds=60)
    assert len(seen.twilio.told) == 3
    assert await seen.rows() == []


async def test_an_item_that_spoils_its_request_is_found_and_the_others_are_told(seen):
    seen.twilio.poison.add(BAD)
    await seen.stops(*TEN)
    await seen.until_quiet()
    told = {
        item["contact_id"]
        for one in seen.twilio.told
        for item in one.items
        if not {item["contact_id"] for item in one.items} & seen.twilio.poison
    }
    assert told == set(TEN) - {BAD}
    rows = await seen.rows()
    assert [(row["state"], row["error"]) for row in rows] == [("pending", "refused alone")] * 2
    assert {len(one.items) for one in seen.twilio.told[1:]} == {1}


async def test_silence_is_given_up_after_the_timeout(seen):
    released = asyncio.Event()

    async def silent(_):
        await released.wait()
        return web.Response()

    seen.twilio.answers = [silent]
    await seen.stops(ANNS_PHONE)
    object.__setattr__(seen.teller.client.session._timeout, "total", 0.05)
    await seen.round(seconds=1)
    released.set()
    known = await seen.service.database.pool.fetchrow("select * from twilio_account")
    assert (known["failing_how"], known["failure_count"]) == ("timed_out", 1)
    await seen.until_quiet(seconds=60)
    assert await seen.rows() == []


async def test_nobody_at_the_other_end_is_a_failure_that_passes(seen):
    url, seen.teller.client = seen.teller.client, _elsewhere(seen.teller.client)
    await seen.stops(ANNS_PHONE)
    await seen.round(seconds=1)
    known = await seen.service.database.pool.fetchrow("select * from twilio_account")
    assert known["failing_how"] == "not_connected"
    seen.teller.client = url
    await seen.until_quiet(seconds=60)
    known = await seen.service.database.pool.fetchrow("select * from twilio_account")
    assert (known["failing_since"], known["failure_count"]) == (None, 0)
    assert await seen.rows() == []


def _elsewhere(client):
    return Consents(client.session, "http://127.0.0.1:1/v1/Consents/Bulk")


async def test_a_death_between_the_claim_and_the_answer_tells_the_same_again(seen):
    await seen.stops(ANNS_PHONE)

    async def dies(_):
        for task in seen.teller.underway:
            task.cancel()
        return seen.twilio._answer(seen.twilio.told[-1])

    seen.twilio.answers = [dies]
    await seen.round(seconds=1)
    assert len(await seen.rows()) == 2
    async with teller(seen.service) as another:
        survivor = Telling(another, seen.twilio, seen.clock)
        await survivor.round(seconds=1)
        assert len(seen.twilio.told) == 1  # the claim of the dead one still holds
        await survivor.until_quiet(seconds=20)
    [first, second] = seen.twilio.told
    assert correlated(first) == correlated(second)
    assert await seen.rows() == []


async def test_a_shared_keys_secret_among_the_tokens_is_passed_over(seen):
    _have_tokens(seen.service, f"{ACCOUNT}:secret-of-a-shared-key", f"{ACCOUNT}:{TOKEN}")
    await seen.stops(ANNS_PHONE)
    await seen.until_quiet()
    assert seen.twilio.refused == [(ACCOUNT, "secret-of-a-shared-key")]
    assert len(seen.twilio.told) == 1
    await seen.starts(ANNS_PHONE)
    await seen.until_quiet()
    assert len(seen.twilio.refused) == 1
    assert await seen.rows() == []


async def test_tokens_that_are_all_refused_are_said_and_tried_once_a_minute(seen):
    _have_tokens(seen.service, f"{ACCOUNT}:old", f"{ACCOUNT}:older")
    await seen.stops(ANNS_PHONE)
    for _ in range(30):
        await seen.round(seconds=1)
    assert [token for _, token in seen.twilio.refused] == ["old", "older"]
    known = await seen.service.database.pool.fetchrow("select * from twilio_account")
    assert known["failing_how"] == "unauthorized"
    seen.twilio.tokens[ACCOUNT] = "old"
    await seen.until_quiet(seconds=60)
    assert await seen.rows() == []


async def test_without_a_token_nothing_is_sent_nothing_is_lost_and_it_is_said_once(seen):
    _have_tokens(seen.service, TOKEN, f"AC{'1' * 32}:{TOKEN}")
    with capture_logs() as said:
        await seen.stops(ANNS_PHONE)
        await seen.round(seconds=1)
        await seen.round(seconds=1)
    assert [one["event"] for one in said] == ["twilio_without_token"]
    assert (seen.twilio.told, seen.twilio.refused) == ([], [])
    assert len(await seen.rows()) == len(TARGETS)
    _have_tokens(seen.service, f"{ACCOUNT}:{TOKEN}")
    await seen.until_quiet()
    assert await seen.rows() == []


def _have_tokens(service, *tokens):
    settings = service.settings.model_copy(
        update={"twilio_auth_tokens": tuple(map(SecretStr, tokens))}
    )
    service.vault = open_vault(settings, make_missing=False)


async def test_what_failed_is_forgotten_after_its_days(seen):
    seen.twilio.errors[BAD] = (30646, ["INVALID_CONTACT_ID"])
    await seen.stops(BAD)
    await seen.until_quiet()
    await count_untold(seen.service)
    assert len(await seen.rows()) == 2
    seen.clock.move(days=seen.service.settings.twilio_failed_days + 1)
    await count_untold(seen.service)
    assert await seen.rows() == []


async def test_no_number_and_no_token_is_logged(seen):
    seen.twilio.errors[BAD] = (30646, [f"INVALID_CONTACT_ID {BAD}"])
    with capture_logs() as said:
        await seen.stops(*TEN)
        await seen.until_quiet()
    assert {one["event"] for one in said} == {"twilio_request"}
    text = str(said)
    assert BAD[1:] not in text
    assert TOKEN not in text
