"""The Twilio door over HTTP, signed by the official library (S-01 to S-20; SEEDS 17, 18, 20)."""

import asyncio
import itertools
import json

import pytest
from yarl import URL

from tests.sms.twilio_client import SERVICE_SID, signed, sms
from tests.support.cast import ACMES_NUMBER, ANNS_PHONE, ORIGIN, TWILIO_TOKEN

HOOK = "/hooks/twilio/messages"


@pytest.fixture
def text(client):
    async def sent(body="STOP", *, path=HOOK, token=TWILIO_TOKEN, to=ACMES_NUMBER, **more):
        form = sms(body, from_=ANNS_PHONE, to=to, **more)
        return await client.post(path, data=form, headers=signed(ORIGIN + path, form, token))

    return sent


@pytest.fixture
def may_text(client, keys):
    async def asked(**more):
        reply = await client.post(
            "/v1/brands/acme/check", headers=keys.texter, json={"addresses": [ANNS_PHONE], **more}
        )
        return (await reply.json())["results"][0]["may_send"]

    return asked


@pytest.mark.parametrize(
    "body",
    [
        *("STOP", "stop", " Stop. ", "UNSUBSCRIBE", "opt out", "ＳＴＯＰ", "Stop\n"),
        *("Pls stop txting me", "take me off ur list or i will sue", "no más mensajes"),
    ],
)
async def test_a_stop_stops_every_marketing_text_of_the_brand(text, may_text, body):
    reply = await text(body)
    assert reply.status == 200
    assert reply.content_type == "text/xml"
    assert not await may_text()
    assert not await may_text(topic="news")
    assert await may_text(message_class="transactional")


@pytest.mark.parametrize(
    "body",
    [
        *("I can't stop laughing", "Liked “Reply STOP to opt out”", "YES", "", "ok"),
        *("cancel my order", "see you at 8", "thanks"),
    ],
)
async def test_an_ordinary_text_changes_nothing(text, may_text, body):
    assert (await text(body)).status == 200
    assert await may_text()


async def test_opt_out_type_counts_whatever_the_words(text, may_text):
    await text("baja", OptOutType="STOP", MessagingServiceSid=SERVICE_SID)
    assert not await may_text()


async def test_start_lifts_what_stop_stopped_and_nothing_else(text, may_text, client, keys, clock):
    await client.post(
        "/v1/brands/acme/opt-outs",
        headers=keys.operator,
        json={"channel": "sms", "address": ANNS_PHONE, "topic": "news"},
    )
    await text("STOP")
    clock.move(minutes=1)
    await text("START")
    assert await may_text()
    assert not await may_text(topic="news")


async def test_help_changes_nothing(text, may_text):
    assert (await text("HELP")).status == 200
    assert await may_text()


async def test_twilio_answers_so_we_are_silent(text):
    assert (await (await text("STOP")).text()).endswith(("<Response />", "<Response/>"))


async def test_the_same_message_twice_is_one_opt_out(text, service):
    await asyncio.gather(*[text("STOP", MessageSid="SM" + "1" * 32) for _ in range(10)])
    assert await service.database.pool.fetchval("select count(*) from preference_event") == 1


@pytest.mark.parametrize("late", list(itertools.permutations((1, 2, 3))))
async def test_duplicates_that_come_late_change_nothing(text, may_text, clock, late):
    said = {1: "STOP", 2: "STOP", 3: "START"}
    for number in (*said, *late):
        clock.move(minutes=1)
        await text(said[number], MessageSid="SM" + str(number) * 32)
    assert await may_text()


async def test_the_brand_is_found_by_its_messaging_service(text, may_text):
    service_sid = "MG00000000000000000000000000000acc"
    reply = await text("STOP", to="+12025550177", MessagingServiceSid=service_sid)
    assert reply.status == 200
    assert not await may_text()


async def test_a_number_of_no_brand_is_a_clear_problem(text):
    reply = await text("STOP", to="+12025550177")
    assert reply.status == 404
    assert (await reply.json())["code"] == "unknown_recipient_number"


@pytest.mark.parametrize(
    "signature", [None, "", "fake", "é", "a" * 5000, "RSOYDt4T1cUTdK1PDd93/VVr8B8="]
)
async def test_a_missing_or_broken_signature_is_403(client, may_text, signature):
    headers = {} if signature is None else {"X-Twilio-Signature": signature}
    reply = await client.post(
        HOOK, data=sms("STOP", from_=ANNS_PHONE, to=ACMES_NUMBER), headers=headers
    )
    assert reply.status == 403
    assert ANNS_PHONE not in await reply.text()
    assert await may_text()


async def test_an_altered_parameter_is_403(client, may_text):
    form = sms("HELLO", from_=ANNS_PHONE, to=ACMES_NUMBER)
    headers = signed(ORIGIN + HOOK, form, TWILIO_TOKEN)
    assert (await client.post(HOOK, data=form | {"Body": "STOP"}, headers=headers)).status == 403
    assert await may_text()


async def test_another_token_is_403(text):
    assert (await text(token="f" * 32)).status == 403


async def test_a_forged_host_has_no_effect(client, may_text):
    form = sms("STOP", from_=ANNS_PHONE, to=ACMES_NUMBER)
    forged = signed("https://evil.example.org" + HOOK, form, TWILIO_TOKEN)
    headers = forged | {"X-Forwarded-Host": "evil.example.org", "Host": "evil.example.org"}
    assert (await client.post(HOOK, data=form, headers=headers)).status == 403
    assert await may_text()


@pytest.mark.parametrize("query", ["?a=1&b", "?a=%7E&x=a+b", "?q=%c3%a9&p=%2f"])
async def test_the_url_is_signed_as_it_was_called(client, query):
    form = sms("STOP", from_=ANNS_PHONE, to=ACMES_NUMBER)
    headers = signed(ORIGIN + HOOK + query, form, TWILIO_TOKEN)
    url = URL(str(client.make_url("/")).rstrip("/") + HOOK + query, encoded=True)
    reply = await client.session.post(url, data=form, headers=headers)
    assert reply.status == 200


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{}", "application/json"),
        (b"\xff\xfe\x00", "application/x-www-form-urlencoded"),
        (b"", "text/plain"),
        (b"x" * 70_000, "application/x-www-form-urlencoded"),
        (json.dumps({"Body": "STOP"}).encode(), "application/json; charset=utf-8"),
    ],
)
async def test_no_body_is_ever_a_fault(client, body, content_type):
    reply = await client.post(HOOK, data=body, headers={"Content-Type": content_type})
    assert reply.status in {400, 403, 413}


async def test_a_get_without_a_signature_changes_nothing(client):
    assert (await client.get(HOOK)).status == 403


async def test_a_stop_to_one_number_stops_every_sender_of_the_brand_and_no_other_brand(
    text, client, keys, service
):
    await text("STOP")
    brands = await service.database.pool.fetch("select distinct brand_id from suppression")
    assert len(brands) == 1


async def test_the_evidence_says_how_the_words_were_read(text, service):
    await text("Bitte stop the offers")
    evidence = await service.database.pool.fetchval("select content from evidence")
    read = {name: evidence[name] for name in ("intent", "rule", "language", "scope")}
    assert read == {
        "intent": "stop",
        "rule": "stop_sending",
        "language": "en",
        "scope": "offers",
    }
