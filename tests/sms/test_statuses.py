"""Twilio's status callbacks over HTTP, signed by the official library (S-08, S-09, S-27, S-28)."""

import asyncio
import hashlib
import itertools
import json
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from tests.sms.twilio_client import SERVICE_SID, signed, signed_by_shared_key, sms, status
from tests.support.cast import ACMES_NUMBER, ANNS_PHONE, ORIGIN, TWILIO_TOKEN

HOOK = "/hooks/twilio/statuses"
MESSAGES = "/hooks/twilio/messages"
FORM = "application/x-www-form-urlencoded"
ACMES_SERVICE = "MG00000000000000000000000000000acc"
NOTHING_OF_THE_PERSON = [
    *("30003", "30004", "30005", "30007", "30008", "30047", "30610", "30640", "21211", "63016"),
    *("0", "", "21610x", "121610", "２１６１０", "21610,30006", None),
]


async def posted(client, path, form, *, token=TWILIO_TOKEN, sign=signed):
    return await client.post(path, data=form, headers=sign(ORIGIN + path, form, token))


@pytest.fixture
def told(client):
    async def told(error_code="21610", *, from_=ACMES_NUMBER, to=ANNS_PHONE, **more):
        return await posted(client, HOOK, status(error_code, from_=from_, to=to, **more))

    return told


@pytest.fixture
def text(client):
    async def text(body, **more):
        form = sms(body, from_=ANNS_PHONE, to=ACMES_NUMBER, **more)
        return await posted(client, MESSAGES, form)

    return text


@pytest.fixture
def may_text(client, keys):
    async def asked(brand="acme", **more):
        headers = keys.texter if brand == "acme" else keys.house
        channel = {} if brand == "acme" else {"channel": "sms"}
        reply = await client.post(
            f"/v1/brands/{brand}/check",
            headers=headers,
            json={"addresses": [ANNS_PHONE], **channel, **more},
        )
        return (await reply.json())["results"][0]["may_send"]

    return asked


@pytest.fixture
def recorded(service):
    async def rows():
        return await service.database.pool.fetch(
            "select act, scope, reason, source, effect from preference_event order by recorded_at"
        )

    return rows


def missed(code="21610", brand="acme"):
    labels = {"brand": brand, "provider": "twilio", "code": code}
    return REGISTRY.get_sample_value("prefsvc_missed_opt_outs_total", labels) or 0


@pytest.mark.parametrize("code", ["21610", "63014"])
async def test_a_block_is_an_opt_out_that_we_missed(told, may_text, recorded, code):
    before = missed(code)
    reply = await told(code)
    assert (reply.status, await reply.read()) == (204, b"")
    assert not await may_text()
    assert not await may_text(topic="news")
    assert await may_text(message_class="transactional")
    assert [tuple(row) for row in await recorded()] == [
        ("opt_out", "channel", "opt_out", "provider_block", "added")
    ]
    assert missed(code) == before + 1


@pytest.mark.parametrize("code", ["30006", "21635", "21614"])
async def test_a_number_that_takes_no_texts_is_undeliverable(told, may_text, recorded, code):
    before = missed(code)
    assert (await told(code)).status == 204
    assert not await may_text()
    assert not await may_text(message_class="transactional")
    [row] = await recorded()
    assert (row["reason"], row["scope"]) == ("undeliverable", "channel")
    assert missed(code) == before


@pytest.mark.parametrize("code", NOTHING_OF_THE_PERSON)
async def test_every_other_status_changes_nothing(told, may_text, recorded, code):
    assert (await told(code)).status == 204
    assert await may_text()
    assert not await recorded()


async def test_it_stops_no_other_brand(told, may_text):
    await told()
    assert await may_text("globex")


async def test_an_opt_out_that_we_know_was_not_missed(text, told, may_text):
    before = missed()
    await text("STOP")
    await told()
    assert missed() == before
    assert not await may_text()


async def test_the_same_callback_many_times_at_once_is_one_opt_out(told, recorded):
    before = missed()
    replies = await asyncio.gather(*[told(MessageSid="SM" + "1" * 32) for _ in range(10)])
    assert {reply.status for reply in replies} == {204}
    assert len(await recorded()) == 1
    assert missed() == before + 1


async def test_two_errors_of_one_message_are_two_things(told, recorded):
    await told("21610", MessageSid="SM1")
    await told("30006", MessageSid="SM1")
    assert {row["reason"] for row in await recorded()} == {"opt_out", "undeliverable"}


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_callbacks_in_any_order_end_the_same(told, may_text, recorded, order):
    came = [("sent", None), ("undelivered", "21610"), ("undelivered", "21610"), ("queued", None)]
    for number in order:
        message_status, code = came[number]
        await told(code, MessageSid="SM1", MessageStatus=message_status)
    assert not await may_text()
    assert len(await recorded()) == 1


async def test_start_lifts_a_block_and_a_late_duplicate_does_not_bring_it_back(
    told, text, may_text
):
    await told(MessageSid="SM1")
    await text("START")
    assert await may_text()
    await told(MessageSid="SM1")
    assert await may_text()


async def test_a_block_that_is_new_stops_even_after_a_start(told, text, may_text):
    await text("START")
    await told()
    assert not await may_text()


async def test_start_does_not_make_a_landline_take_texts(told, text, may_text):
    await told("30006")
    await text("START")
    assert not await may_text()


@pytest.mark.parametrize("to", ["whatsapp:{}", "rcs:{}", "sms:{}", " {} "])
async def test_whatever_network_it_was_on_it_is_the_same_person(told, may_text, to):
    assert (await told("63014", to=to.format(ANNS_PHONE))).status == 204
    assert not await may_text()


@pytest.mark.parametrize(
    "more",
    [
        {"from_": f"whatsapp:{ACMES_NUMBER}"},
        {"From": None, "MessagingServiceSid": ACMES_SERVICE},
        {"From": "ACME", "MessagingServiceSid": ACMES_SERVICE},
        {"MessagingServiceSid": SERVICE_SID},
    ],
)
async def test_the_brand_is_found_by_its_number_or_its_messaging_service(told, may_text, more):
    assert (await told(**more)).status == 204
    assert not await may_text()


@pytest.mark.parametrize("from_", ["+12025550177", "ACME", "72645"])
async def test_a_sender_of_no_brand_is_a_clear_problem(told, from_):
    reply = await told(from_=from_)
    assert reply.status == 404
    assert (await reply.json())["code"] == "unknown_recipient_number"


NOBODY = ["72645", "ACME", "+1", "messenger:12025550123", "whatsapp:US.1234567890", "telegram:ann"]


@pytest.mark.parametrize("to", NOBODY)
async def test_a_short_code_or_a_name_is_refused_as_a_recipient(told, recorded, to):
    reply = await told(to=to)
    assert reply.status == 422
    problem = await reply.json()
    assert problem["code"] == "invalid_address"
    assert problem["errors"] == [{"pointer": "To"}]
    assert "short code" in problem["detail"]
    assert to not in await reply.text()
    assert not await recorded()


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"To": None}, "To"),
        ({"To": "whatsapp:"}, "To"),
        ({"From": None}, "From"),
        ({"MessageSid": None, "SmsSid": " "}, "MessageSid"),
    ],
)
async def test_a_status_of_nothing_nobody_or_nowhere_is_refused(told, recorded, more, pointer):
    reply = await told(**more)
    assert reply.status == 400
    problem = await reply.json()
    assert (problem["code"], problem["errors"]) == ("unreadable_message", [{"pointer": pointer}])
    assert not await recorded()


async def test_the_evidence_has_the_code_and_the_ids_and_not_the_person(told, service):
    await told(MessageSid="SM1", ChannelToAddress=ANNS_PHONE, ProfileName="Ann")
    evidence = await service.database.pool.fetchval("select content from evidence")
    assert {name: evidence[name] for name in ("message_id", "error_code", "rule", "from")} == {
        "message_id": "SM1",
        "error_code": "21610",
        "rule": "S-27",
        "from": ACMES_NUMBER,
    }
    for personal in (ANNS_PHONE, "'Ann'"):
        assert personal not in str(evidence)


async def test_only_twilio_is_believed(client, may_text):
    form = status(from_=ACMES_NUMBER, to=ANNS_PHONE)
    right = signed(ORIGIN + HOOK, form, TWILIO_TOKEN)
    of_another_path = signed(ORIGIN + MESSAGES, form, TWILIO_TOKEN)
    for headers in ({}, of_another_path, signed(ORIGIN + HOOK, form, "f" * 32)):
        reply = await client.post(HOOK, data=form, headers=headers)
        assert (reply.status, (await reply.json())["code"]) == (403, "unsigned_webhook")
    altered = form | {"To": "+12025550177"}
    assert (await client.post(HOOK, data=altered, headers=right)).status == 403
    assert await may_text()


async def test_a_body_over_the_limit_is_refused(client):
    reply = await client.post(HOOK, data=b"x" * 70_000, headers={"Content-Type": FORM})
    assert reply.status == 413


async def test_a_signed_body_that_is_no_form_names_nobody(client):
    body = json.dumps(status()).encode()
    path = f"{HOOK}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    headers = signed(ORIGIN + path, {}, TWILIO_TOKEN) | {"Content-Type": "application/json"}
    reply = await client.post(path, data=body, headers=headers)
    assert (reply.status, (await reply.json())["code"]) == (400, "unreadable_message")


async def test_get_changes_nothing(client):
    assert (await client.get(HOOK)).status == 405


@pytest.mark.parametrize("path", [HOOK, MESSAGES])
async def test_a_shared_key_signs_as_an_auth_token_does(client, may_text, path):
    numbers = {"from_": ACMES_NUMBER, "to": ANNS_PHONE}
    form = status(**numbers) if path == HOOK else sms("STOP", from_=ANNS_PHONE, to=ACMES_NUMBER)
    reply = await posted(client, path, form, sign=signed_by_shared_key)
    assert reply.status in {200, 204}
    assert not await may_text()


@pytest.mark.parametrize(
    "said", ["key=k,algorithm=HMAC_MD5", "algorithm=none", "algorithm=ÿ", "key=k", "", "algorithm="]
)
async def test_a_shared_keys_signature_under_another_algorithm_is_403(client, may_text, said):
    form = status(from_=ACMES_NUMBER, to=ANNS_PHONE)
    headers = signed_by_shared_key(ORIGIN + HOOK, form, TWILIO_TOKEN)
    headers |= {"X-Twilio-Webhooks-Signature-Settings": said}
    assert (await client.post(HOOK, data=form, headers=headers)).status == 403
    assert await may_text()


async def test_settings_that_come_twice_are_not_believed(client, may_text):
    form = status(from_=ACMES_NUMBER, to=ANNS_PHONE)
    headers = list(signed_by_shared_key(ORIGIN + HOOK, form, TWILIO_TOKEN).items())
    reply = await client.post(HOOK, data=form, headers=[*headers, headers[-1]])
    assert reply.status == 403
    assert await may_text()


ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
VALUES = ANY_TEXT | st.sampled_from(
    [ACMES_NUMBER, ANNS_PHONE, f"whatsapp:{ANNS_PHONE}", "21610", "30006", "\0", "+0", "SM1"]
)
NAMES = ANY_TEXT | st.sampled_from(sorted(status(MessagingServiceSid="")))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(more={"To": "\0" + ANNS_PHONE})
@example(more={"MessageSid": "\0", "ErrorCode": "\0"})
@given(more=st.dictionaries(NAMES, VALUES, max_size=6))
async def test_no_form_is_ever_a_fault(client, more):
    form = status(from_=ACMES_NUMBER, to=ANNS_PHONE) | more
    headers = signed(ORIGIN + HOOK, form, TWILIO_TOKEN) | {"Content-Type": FORM}
    reply = await client.post(HOOK, data=urlencode(form), headers=headers)
    assert reply.status in {204, 400, 404, 422}
