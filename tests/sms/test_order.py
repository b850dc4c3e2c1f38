"""STOP and START that cross on their way: by Twilio's own order, else STOP counts (RULES S-20)."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from prefsvc.settings import Settings
from prefsvc.verification import verify
from tests.sms.twilio_client import ACCOUNT_SID, signed, sms
from tests.support.cast import ACMES_NUMBER, ANNS_PHONE, ORIGIN, TWILIO_TOKEN
from tests.support.doubtful import apply_acme, decide, only_review
from tests.support.messages_api import messages_api

HOOK = "/hooks/twilio/messages"
NOON = datetime(2026, 11, 20, 17, tzinfo=UTC)
OLD_TOKEN = "f" * 32


def sid(number):
    return f"SM{number:032x}"


@pytest.fixture
async def api():
    """Twilio's Messages API, which knows us."""
    async with messages_api() as api:
        api.tokens.add(TWILIO_TOKEN)
        yield api


@pytest.fixture
def settings(settings, api):
    tokens = (f"{ACCOUNT_SID}:{OLD_TOKEN}", f"{ACCOUNT_SID}:{TWILIO_TOKEN}")
    changed = {
        "twilio_auth_tokens": ",".join(tokens),
        "twilio_api_url": api.url,
        "twilio_api_timeout_seconds": 8,  # a busy machine may need more than three
    }
    return type(settings).model_validate(settings.model_dump(exclude_unset=True) | changed)


@pytest.fixture
def text(client):
    async def text(body, number, *, from_=ANNS_PHONE, **more):
        form = sms(body, from_=from_, to=ACMES_NUMBER, MessageSid=sid(number), **more)
        headers = signed(ORIGIN + HOOK, form, TWILIO_TOKEN)
        reply = await client.post(HOOK, data=form, headers=headers)
        assert reply.status == 200, await reply.text()
        return await reply.text()

    return text


@pytest.fixture
def may_text(client, keys):
    async def asked(phone=ANNS_PHONE):
        body = {"addresses": [phone]}
        reply = await client.post("/v1/brands/acme/check", headers=keys.texter, json=body)
        return (await reply.json())["results"][0]["may_send"]

    return asked


@pytest.fixture
def rows(service):
    async def rows():
        query = "select act, source, effect, sent_at from preference_event order by position"
        return await service.database.pool.fetch(query)

    return rows


@pytest.fixture
def ends(text, may_text):
    """Hand these texts over in every order, each from a person of their own; say how all end."""

    async def ends(bodies, orders):
        ended = set()
        for person, order in enumerate(orders):
            phone = f"+12025550{person + 101}"
            for number in order:
                await text(bodies[number], number, from_=phone)
            ended.add("may be texted" if await may_text(phone) else "stopped")
        return ended

    return ends


TWICE = sorted(set(itertools.permutations((0, 1, 0, 1))))
"""Every order of two messages that are handed over twice each."""
ONCE = list(itertools.permutations(range(3)))


def unordered_starts():
    return REGISTRY.get_sample_value("prefsvc_unordered_starts_total", {"brand": "acme"}) or 0


# --- where the order is not known ----------------------------------------------------------------


async def test_without_twilios_moments_every_order_ends_stopped(ends):
    assert await ends(("STOP", "START"), TWICE) == {"stopped"}
    assert await ends(("STOP", "START", "START"), ONCE) == {"stopped"}


async def test_a_start_of_unknown_order_is_recorded_counted_and_lifts_nothing(text, rows):
    before = unordered_starts()
    await text("STOP", 1)
    await text("START", 2)
    recorded = [(row["act"], row["source"], row["effect"]) for row in await rows()]
    assert recorded == [
        ("opt_out", "sms_reply", "added"),
        ("opt_in", "sms_reply_unordered", "none"),
    ]
    assert unordered_starts() == before + 1


async def test_when_the_time_has_passed_a_start_lifts_as_ever(text, may_text, api, clock):
    await text("STOP", 1)
    clock.move(seconds=29)
    await text("START", 2)
    assert not await may_text()
    asked = len(api.asked)
    clock.move(seconds=1.1)
    await text("START", 3)
    assert await may_text()
    assert len(api.asked) == asked


async def test_a_start_that_came_by_the_fallback_url_lifts_no_stop_sent_after_it(
    text, may_text, clock
):
    await text("STOP", 2)
    # Its webhook had 15 seconds, and then the fallback URL 10 of ours.
    clock.move(seconds=25)
    await text("START", 1, ErrorCode="11205", ErrorUrl=ORIGIN + HOOK)
    assert not await may_text()


async def test_of_a_repeated_stop_the_last_one_counts_for_the_time(text, may_text, clock):
    await text("STOP", 1)
    clock.move(seconds=30)
    await text("STOP", 2)
    clock.move(seconds=10)
    await text("START", 3)
    assert not await may_text()


async def test_a_retry_of_a_start_of_unknown_order_lifts_nothing_later(text, may_text, clock):
    await text("STOP", 1)
    await text("START", 2)
    clock.move(minutes=1)
    await text("START", 2)
    assert not await may_text()


async def test_a_stop_by_another_door_holds_up_no_start(text, may_text, client, keys, api):
    body = {"channel": "sms", "address": ANNS_PHONE, "scope": "channel"}
    reply = await client.post("/v1/brands/acme/opt-outs", headers=keys.operator, json=body)
    assert reply.status == 201
    await text("START", 1)
    assert await may_text()
    assert api.asked == []


async def test_a_doubtful_text_that_suppressed_is_not_lifted_by_a_start_beside_it(text, may_text):
    await text("sorry, you have the wrong number", 1)
    await text("START", 2)
    assert not await may_text()


@pytest.fixture
async def reviewing(service):
    """Acme, which suppresses no doubtful reply before somebody decides."""
    await apply_acme(service, doubtful="review")


@pytest.mark.usefixtures("reviewing")
async def test_a_doubt_that_was_decided_just_now_holds_up_no_start(
    text, may_text, client, keys, clock
):
    await text("sorry, you have the wrong number", 1)
    clock.move(days=1)
    await decide(client, keys, await only_review(client, keys), "stop")
    assert not await may_text()
    await text("START", 2)
    assert await may_text()


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(status=500),
        lambda: web.Response(status=302, headers={"Location": "/elsewhere"}),
        lambda: web.Response(text="<html>"),
        lambda: web.json_response({"date_created": None}),
        lambda: web.json_response({"date_created": "yesterday"}),
        lambda: web.json_response({"date_created": "Fri, 20 Nov 2026 17:00:00 -0000"}),
        lambda: web.json_response({"date_created": "Fri, 20 Nov 99999 17:00:00 +0000"}),
        lambda: web.Response(body=b'{"date_created": "' + b"x" * 70_000 + b'"}'),
    ],
)
async def test_an_answer_that_says_no_moment_leaves_it_unknown(text, may_text, api, answer):
    api.answer = answer
    await text("STOP", 1)
    await text("START", 2)
    assert len(api.asked) >= 2
    assert not await may_text()


async def test_without_the_accounts_own_token_nobody_is_asked(text, may_text, api, service):
    service.vault = replace_tokens(service.vault, (("", TWILIO_TOKEN),))
    await text("STOP", 1)
    await text("START", 2)
    assert not await may_text()
    assert api.asked == []


def replace_tokens(vault, tokens):
    return type(vault)(
        **{name: getattr(vault, name) for name in vault.__slots__} | {"twilio_tokens": tokens}
    )


async def test_a_twilio_that_does_not_answer_is_given_up_and_the_stop_taken(
    text, may_text, api, service
):
    short = {"twilio_api_timeout_seconds": 0.1}
    service.settings = service.settings.model_copy(update=short)
    api.is_stuck = True
    await text("START", 1)
    async with asyncio.timeout(20):
        await text("STOP", 2)
    assert not await may_text()


def test_by_default_twilio_has_three_seconds_of_the_ten_that_a_webhook_has():
    settings = Settings()
    assert settings.twilio_api_timeout_seconds == 3
    assert settings.webhook_timeout_seconds == 10
    assert settings.text_order_seconds == 2 * 15


# --- where Twilio says it ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds_later", "state"), [(1, "may be texted"), (0, "stopped"), (-1, "stopped")]
)
async def test_with_twilios_moments_every_order_ends_as_it_was_sent(
    ends, api, seconds_later, state
):
    api.sent = {sid(0): NOON, sid(1): NOON + timedelta(seconds=seconds_later)}
    assert await ends(("STOP", "START"), TWICE) == {state}


@pytest.mark.parametrize("bodies", list(itertools.product(["STOP", "START"], repeat=3)))
async def test_with_twilios_moments_the_last_of_three_counts(ends, api, bodies):
    api.sent = {sid(n): NOON + timedelta(seconds=n) for n in range(3)}
    assert await ends(bodies, ONCE) == {"may be texted" if bodies[-1] == "START" else "stopped"}


async def test_a_stop_that_was_sent_first_is_recorded_and_changes_nothing(text, rows, api):
    api.sent = {sid(1): NOON, sid(2): NOON + timedelta(seconds=5)}
    await text("START", 2)
    await text("STOP", 1)
    [start, stop] = await rows()
    assert (start["act"], start["effect"]) == ("opt_in", "none")
    assert (stop["act"], stop["effect"], stop["sent_at"]) == ("opt_out", "none", NOON)


async def test_a_stop_that_was_sent_long_ago_counts_and_is_not_confirmed(
    text, may_text, service, api
):
    await apply_acme(service, replies_by_provider=False)
    long_ago = datetime.now(UTC) - timedelta(seconds=310)
    api.sent = {sid(1): long_ago, sid(2): long_ago + timedelta(seconds=1)}
    assert "again" in await text("START", 1)
    assert (await text("STOP", 2)).endswith(("<Response />", "<Response/>"))
    assert not await may_text()


async def test_of_many_texts_in_a_hurry_a_few_are_asked_about(text, may_text, api):
    api.sent = {sid(n): NOON + timedelta(seconds=n) for n in range(21)}
    for number in range(20):
        await text("STOP", number)
    await text("START", 20)
    assert len(set(api.asked)) == 8
    assert not await may_text()


async def test_what_twilio_saw_first_was_first_though_its_clock_is_ahead_of_ours(
    text, may_text, api, clock
):
    api.sent = {sid(n): clock() + timedelta(hours=1, seconds=n) for n in (1, 2)}
    await text("START", 2)
    await text("STOP", 1)
    assert await may_text()
    api.sent = {sid(n): clock() + timedelta(hours=1, seconds=n) for n in (3, 4)}
    clock.move(minutes=1)
    await text("STOP", 4)
    await text("START", 3)
    assert not await may_text()


async def test_a_start_sent_before_a_stop_by_another_door_does_not_lift_that(
    text, may_text, api, client, keys
):
    just_now = datetime.now(UTC) - timedelta(seconds=10)
    api.sent = {sid(1): just_now, sid(2): just_now + timedelta(seconds=5)}
    body = {"channel": "sms", "address": ANNS_PHONE, "scope": "channel"}
    await client.post("/v1/brands/acme/opt-outs", headers=keys.operator, json=body)
    await text("STOP", 1)
    await text("START", 2)
    assert not await may_text()


async def test_twilio_is_asked_only_where_texts_cross(text, api, clock):
    await text("STOP", 1)
    await text("STOP", 2)
    await text("HELP", 3)
    clock.move(minutes=1)
    await text("START", 4)
    await text("START", 5)
    clock.move(minutes=1)
    await text("STOP", 6)
    assert api.asked == []


async def test_what_twilio_said_of_a_text_is_kept_as_evidence(text, api, service):
    api.sent = {sid(1): NOON, sid(2): NOON + timedelta(seconds=5)}
    await text("STOP", 1)
    await text("START", 2)
    query = "select content->>'sent_at' from evidence where content->>'message_id' = $1"
    kept = await service.database.pool.fetchval(query, sid(2))
    assert datetime.fromisoformat(kept) == api.sent[sid(2)]


@pytest.mark.parametrize("is_known", [True, False])
async def test_verification_finds_what_the_door_decided(text, service, api, is_known):
    if is_known:
        api.sent = {sid(n): NOON + timedelta(seconds=n) for n in range(4)}
    for number, body in ((1, "STOP"), (0, "START"), (3, "START"), (2, "STOP")):
        await text(body, number)
    async with service.database.read(snapshot=True) as tx:
        installation_id = service.installation.installation_id
        found = await verify(tx, service.vault, installation_id, service.book, {})
    assert (found.rows, found.suppressions, found.wrong) == (4, 1, [])


# --- one message, one effect ---------------------------------------------------------------------


async def test_a_stop_and_a_start_at_once_end_stopped(text, may_text):
    for number in range(0, 20, 2):
        await asyncio.gather(text("START", number), text("STOP", number + 1))
        assert not await may_text()
