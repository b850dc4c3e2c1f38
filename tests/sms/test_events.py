"""Twilio's Event Streams over HTTP, signed by the official library (S-06, S-10, S-33)."""

import asyncio
import hashlib
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sms.twilio_client import ACCOUNT_SID, reassigned, signed, signed_by_shared_key
from tests.support.cast import ACMES_NUMBER, ANNS_PHONE, ORIGIN, TWILIO_TOKEN
from tests.support.lists import check, problem, say_start, say_stop

HOOK = "/hooks/twilio/events"
BOBS_PHONE = "+12025550124"
ACMES_SERVICE = "MG00000000000000000000000000000acc"
EVENT = reassigned(from_=ACMES_NUMBER, to=ANNS_PHONE, id_="EZ" + "1" * 32)
BYTES_MAX = 1 << 20


def event(**more):
    return reassigned(**{"from_": ACMES_NUMBER, "to": ANNS_PHONE} | more)


@pytest.fixture
def told(client):
    async def posted(*events, raw=None, token=TWILIO_TOKEN, sign=signed, path=HOOK, **headers):
        body = json.dumps(events).encode() if raw is None else raw
        url = f"{path}?bodySHA256={hashlib.sha256(body).hexdigest()}"
        made = {"Content-Type": "application/json"} | sign(ORIGIN + url, {}, token) | headers
        return await client.post(url, data=io.BytesIO(body), headers=made)

    return posted


@pytest.fixture
def why_not(client, keys):
    async def asked(number=ANNS_PHONE, **more):
        [verdict] = await check(client, keys.texter, number, **more)
        return verdict.get("reason")

    return asked


@pytest.fixture
def events_recorded(service):
    async def rows():
        return await service.database.pool.fetch(
            "select act, scope, reason, source, sent_at, evidence.content as evidence"
            " from preference_event join evidence using (bucket, event_id)"
            " where channel = 'sms' order by recorded_at"
        )

    return rows


async def test_a_number_that_is_anothers_is_sent_nothing(told, why_not, events_recorded):
    reply = await told(EVENT)
    assert (reply.status, await reply.read()) == (204, b"")
    for message_class in ("marketing", "transactional", "service"):
        assert await why_not(message_class=message_class) == "reassigned"
    [row] = await events_recorded()
    assert (row["act"], row["scope"], row["reason"], row["source"]) == (
        *("opt_out", "brand", "reassigned", "provider_block"),
    )
    assert row["sent_at"].isoformat() == "2026-09-21T00:00:00+00:00"
    assert row["evidence"]["told"]["last_verified_date"] == "2026-08-01"
    assert row["evidence"]["event"] == EVENT["id"]
    assert ANNS_PHONE[1:] not in str(row["evidence"])


async def test_it_keeps_the_opt_out_and_a_later_consent_lifts_it_alone(told, why_not, client, keys):
    await say_stop(client, keys, ANNS_PHONE, channel="sms")
    await told(EVENT)
    await say_start(client, keys, ANNS_PHONE, channel="sms", source="purchase")
    assert await why_not() == "opt_out"
    assert await why_not(message_class="transactional") is None


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "com.twilio.messaging.inbound-message.received"},
        {"type": "com.twilio.messaging.message.delivered", "data": None},
        {"type": "com.twilio.eventstreams.test-event", "data": {"test_id": "x"}},
        {"type": None},
        {"data": EVENT["data"] | {"is_reassigned": False}},
    ],
)
async def test_every_other_event_changes_nothing(told, events_recorded, changed):
    assert (await told(EVENT | changed)).status == 204
    assert not await events_recorded()


async def test_no_events_are_none(told, events_recorded):
    assert (await told()).status == 204
    assert not await events_recorded()


@pytest.mark.parametrize("times", [2, 10])
async def test_an_event_counts_once_however_often_it_comes(told, events_recorded, times):
    replies = await asyncio.gather(*(told(EVENT, EVENT) for _ in range(times)))
    assert {reply.status for reply in replies} == {204}
    assert len(await events_recorded()) == 1


async def test_one_that_comes_again_after_a_consent_changes_nothing(told, why_not, client, keys):
    await told(EVENT)
    await say_start(client, keys, ANNS_PHONE, channel="sms", source="form")
    await told(EVENT)
    assert await why_not() is None


async def test_the_brand_is_found_by_its_number_or_its_pool_of_them(told, why_not):
    await told(event(), event(from_=ACMES_SERVICE, to=BOBS_PHONE))
    assert await why_not() == await why_not(BOBS_PHONE) == "reassigned"


async def test_it_is_of_no_other_brand(told, client, keys):
    await told(EVENT)
    reply = await client.post(
        "/v1/brands/globex/check",
        headers=keys.globex_operator,
        json={"addresses": [ANNS_PHONE], "channel": "sms"},
    )
    assert (await reply.json())["results"] == [{"may_send": True}]


@pytest.mark.parametrize("network", ["whatsapp:", "sms:", "rcs:", ""])
async def test_whoever_has_the_number_has_it_on_every_channel(
    told, client, keys, events_recorded, network
):
    await told(event(from_=f"{network}{ACMES_NUMBER}", to=f"{network}{ANNS_PHONE}"))
    for channel in ("sms", "whatsapp"):
        [verdict] = await check(client, keys.operator, ANNS_PHONE, channel=channel)
        assert verdict["reason"] == "reassigned"
    answer = await say_start(client, keys, ANNS_PHONE, channel="sms", source="form")
    assert answer["also_lifted"] == ["reassigned"]
    for channel in ("sms", "whatsapp"):
        assert await check(client, keys.operator, ANNS_PHONE, channel=channel) == [
            {"may_send": True}
        ]


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"from_number": "+12025550177"}, (404, "unknown_recipient_number")),
        ({"from_number": None}, (400, "invalid_body")),
        ({"to_number": None}, (400, "invalid_body")),
        ({"to_number": 12025550123}, (400, "invalid_body")),
        ({"to_number": " "}, (400, "invalid_body")),
        ({"to_number": "72645"}, (422, "invalid_address")),
        ({"to_number": "messenger:12025550123"}, (422, "invalid_address")),
    ],
)
async def test_what_cannot_be_recorded_is_refused_and_the_rest_is_recorded(
    told, why_not, wrong, refusal
):
    reply = await told(event(**wrong), event(to=BOBS_PHONE))
    assert await problem(reply) == refusal
    said = await reply.text()
    assert "72645" not in said
    assert BOBS_PHONE not in said
    assert await why_not(BOBS_PHONE) == "reassigned"
    assert await why_not() is None


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"[", b"null", b"7", b'"x"', b"{}", b"[1]", b"[[]]", b"\xff", b'["\\ud800"]'),
        b"[" * 100_000,
        b"[" + b"[" * 50_000 + b"]" * 50_000 + b"]",
        json.dumps([EVENT | {"id": None}]).encode(),
        json.dumps([EVENT | {"data": "x"}]).encode(),
        json.dumps([{"type": EVENT["type"]}]).encode(),
        json.dumps([EVENT] * 1001).encode(),
    ],
)
async def test_what_is_no_list_of_events_is_a_clear_refusal(told, raw, events_recorded):
    assert await problem(await told(raw=raw)) == (400, "invalid_body")
    assert not await events_recorded()


async def test_a_body_beyond_the_limit_is_refused(told):
    reply = await told(raw=b"[" + b" " * BYTES_MAX + b"]")
    assert await problem(reply) == (413, "body_too_large")


async def test_as_many_as_may_be_are_taken_at_once(told, events_recorded):
    batch = [event(to=f"+1202555{n:04}") for n in range(1000)]
    assert (await told(*batch)).status == 204
    assert len(await events_recorded()) == 1000


@pytest.mark.parametrize("odd", ["\0", "x" * 5000])
async def test_what_cannot_be_stored_is_replaced_or_cut(told, events_recorded, odd):
    assert (await told(event(consent_operation=odd, id_="EZ" + odd))).status == 204
    [row] = await events_recorded()
    assert row["evidence"]["event"] != "EZ" + odd


@pytest.mark.parametrize("at", ["", "yesterday", "2026-13-01", "9999-12-31T23:59:59-14:00"])
async def test_an_odd_moment_counts_as_now(told, why_not, at):
    assert (await told(event(timestamp=at) | {"time": at})).status == 204
    assert await why_not() == "reassigned"


leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(data=st.dictionaries(st.sampled_from([*EVENT["data"]]), anything), more=anything)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_nothing_that_twilio_signs_is_a_fault(told, data, more):
    reply = await told({**EVENT, "data": EVENT["data"] | data}, {**EVENT, "data": more})
    assert reply.status in {204, 400, 403, 404, 422}


async def test_what_nobody_signed_is_403(told, client, events_recorded):
    body = json.dumps([EVENT]).encode()
    other = f"{HOOK}?bodySHA256={hashlib.sha256(b'[]').hexdigest()}"
    replies = [
        await told(EVENT, token="f" * 32),
        await told(EVENT, sign=lambda *_: {}),
        await client.post(HOOK, data=body, headers=signed(ORIGIN + HOOK, {}, TWILIO_TOKEN)),
        await client.post(other, data=body, headers=signed(ORIGIN + other, {}, TWILIO_TOKEN)),
    ]
    for reply in replies:
        assert await problem(reply) == (403, "unsigned_webhook")
    assert not await events_recorded()


async def test_a_shared_key_signs_as_well(told, why_not):
    assert (await told(EVENT, sign=signed_by_shared_key)).status == 204
    assert await why_not() == "reassigned"


async def test_a_token_of_an_account_signs_for_that_account_alone(
    told, service, monkeypatch, events_recorded
):
    """S-10: an agency's customers share a register, and not their word."""
    tokens = (("AC" + "9" * 32, "9" * 32), (ACCOUNT_SID, "8" * 32))
    changed = {name: getattr(service.vault, name) for name in service.vault.__slots__}
    monkeypatch.setattr(
        service, "vault", type(service.vault)(**changed | {"twilio_tokens": tokens})
    )
    assert await problem(await told(EVENT, token="9" * 32)) == (403, "unsigned_webhook")
    unnamed = event(account_sid=None)
    assert await problem(await told(unnamed, token="8" * 32)) == (403, "unsigned_webhook")
    assert not await events_recorded()
    assert (await told(EVENT, token="8" * 32)).status == 204
    assert len(await events_recorded()) == 1


async def test_get_changes_nothing(client):
    assert (await client.get(HOOK)).status == 405
