"""Odd webhooks: nothing is ever a fault, and no STOP is lost (RULES S-01, S-06, S-08)."""

import asyncio
import hashlib
import json
from urllib.parse import parse_qsl, quote_plus, urlencode

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, MultiDict
from yarl import URL

from tests.sms.twilio_client import ACCOUNT_SID, signed, sms
from tests.support.cast import ACMES_NUMBER, ANNS_PHONE, ORIGIN, TWILIO_TOKEN
from tests.support.lists import check, problem

HOOK = "/hooks/twilio/messages"
FORM = "application/x-www-form-urlencoded"
BODY_BYTES_MAX = 64 << 10


def form(body="STOP", **more):
    return sms(body, from_=ANNS_PHONE, to=ACMES_NUMBER, **more)


@pytest.fixture
def post(client):
    """Post bytes as Twilio would sign them; what is no form is signed by its digest."""

    async def post(body, *, content_type=FORM, path=HOOK, headers=()):
        params = MultiDict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        if content_type != FORM:
            path, params = f"{path}?bodySHA256={hashlib.sha256(body).hexdigest()}", MultiDict()
        sent = CIMultiDict(signed(ORIGIN + path, params, TWILIO_TOKEN))
        sent.add("Content-Type", content_type)
        sent.extend(headers)
        url = URL(str(client.make_url("/")).rstrip("/") + path, encoded=True)
        return await client.session.post(url, data=body, headers=sent)

    return post


@pytest.fixture
def is_stopped(client, keys):
    async def asked():
        [ann] = await check(client, keys.texter, ANNS_PHONE)
        return not ann["may_send"]

    return asked


def encoded(fields, *more):
    return urlencode([*fields.items(), *more]).encode()


async def count(service):
    return await service.database.pool.fetchval("select count(*) from preference_event")


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (json.dumps(form()).encode(), "application/json"),
        (encoded(form()), "text/plain"),
        (b"--x\r\n\r\nSTOP\r\n--x--", "multipart/form-data; boundary=x"),
        (b"", "application/json"),
        (b"\x00\xff\xfe", "application/octet-stream"),
    ],
)
async def test_what_is_signed_but_no_form_is_told_so(post, body, content_type):
    reply = await post(body, content_type=content_type)
    assert await problem(reply) == (400, "unreadable_message")


async def test_a_webhook_larger_than_the_limit_is_told_so(post):
    reply = await post(encoded(form("x" * BODY_BYTES_MAX)))
    assert await problem(reply) == (413, "body_too_large")


@pytest.mark.parametrize("to", ["+12025550177", "ACME", "72645", "whatsapp:+12025550177"])
async def test_a_number_of_nobody_is_a_404_and_says_no_number(post, to):
    reply = await post(encoded(form(To=to)))
    assert to not in await reply.text()
    assert await problem(reply) == (404, "unknown_recipient_number")


async def test_headers_that_are_too_large_are_refused(post, client):
    reply = await post(encoded(form()), headers=[("X-Padding", "x" * 20_000)])
    assert reply.status == 400


# --- what counts ---------------------------------------------------------------------------------

PADDING = BODY_BYTES_MAX - 1000
"""As many bytes as leave room for the other parameters."""


@pytest.mark.parametrize(
    "text",
    [
        "STOP" + " " * 1596,
        ("STOP please. " + "I mean it. " * 200)[:1600],
        "STOP" + " " * (PADDING - 4),
        " " * (PADDING - 4) + "STOP",
        "STOP\n" + "bla " * 15_000,
        "bla " * 15_000 + "\nSTOP",
        "STOP\x00",
        "\x00STOP",
        "STOP\ud83d".encode("utf-8", "surrogatepass"),
        "STOP \ufffd\ufffe",
    ],
)
async def test_a_stop_counts_however_long_or_odd_its_body_is(post, is_stopped, text):
    others = {name: value for name, value in form().items() if name != "Body"}
    body = encoded(others) + b"&Body=" + quote_plus(text).encode()
    assert len(body) <= BODY_BYTES_MAX
    assert (await post(body)).status == 200
    assert await is_stopped()


async def test_a_webhook_of_exactly_the_limit_counts(post, is_stopped):
    body = encoded(form())
    body += b"&Padding=" + b"x" * (BODY_BYTES_MAX - len(body) - len(b"&Padding="))
    assert (await post(body)).status == 200
    assert await is_stopped()


@pytest.mark.parametrize("parameters", [300, 1000])
async def test_a_stop_among_hundreds_of_parameters_counts(post, is_stopped, parameters):
    more = [(f"Parameter{n}", str(n)) for n in range(parameters)]
    assert (await post(encoded(form(), *more))).status == 200
    assert await is_stopped()


@pytest.mark.parametrize(
    "more",
    [
        [("Body", "STOP")],
        [("Body", "hello"), ("Body", "STOP")],
        [("From", ANNS_PHONE), ("To", ACMES_NUMBER), ("MessageSid", "SM" + "f" * 32)],
        [("Body", ""), ("Body", "START")],
    ],
)
async def test_a_stop_counts_whichever_parameter_comes_twice(post, is_stopped, more):
    assert (await post(encoded(form(), *more))).status == 200
    assert await is_stopped()


async def test_the_second_of_two_bodies_may_be_the_stop(post, is_stopped):
    assert (await post(encoded(form("hello"), ("Body", "STOP")))).status == 200
    assert await is_stopped()


@pytest.mark.parametrize("types", [("STOP", "START"), ("HELP", "STOP"), ("", "STOP")])
async def test_of_two_verdicts_of_twilio_stop_counts(post, is_stopped, types):
    more = [("OptOutType", one) for one in types]
    assert (await post(encoded(form("baja"), *more))).status == 200
    assert await is_stopped()


async def test_a_message_without_a_body_changes_nothing(post, service):
    fields = {name: value for name, value in form().items() if name != "Body"}
    assert (await post(encoded(fields))).status == 200
    assert await count(service) == 0


@pytest.mark.parametrize("from_", ["72645", "ACMEBANK", "ACME 24", "+1", "messenger:ann"])
@pytest.mark.parametrize("body", ["STOP", "START", "HELP", "sorry, you have the wrong number"])
async def test_a_short_code_or_a_name_that_writes_is_thanked_and_forgotten(
    post, service, from_, body
):
    reply = await post(encoded(form(body, From=from_)))
    assert reply.status == 200
    assert (await reply.text()).endswith(("<Response />", "<Response/>"))
    assert await count(service) == 0


@pytest.mark.parametrize(
    ("to", "why"), [("72645", "short code"), ("ACMEBANK", "sender's name"), ("+726451", "short")]
)
async def test_by_api_a_short_code_or_a_name_is_refused_with_the_reason(client, keys, to, why):
    body = {"channel": "sms", "address": to}
    reply = await client.post("/v1/brands/acme/opt-outs", headers=keys.operator, json=body)
    assert await problem(reply) == (422, "invalid_address")
    assert why in await reply.text()
    assert to not in await reply.text()


# --- GET -----------------------------------------------------------------------------------------


def url_of(client, path):
    return URL(str(client.make_url("/")).rstrip("/") + path, encoded=True)


async def test_a_webhook_that_is_set_to_get_counts_when_it_is_signed(client, is_stopped):
    path = f"{HOOK}?{urlencode(form('Stop texting me'))}"
    headers = signed(ORIGIN + path, {}, TWILIO_TOKEN)
    reply = await client.session.get(url_of(client, path), headers=headers)
    assert (reply.status, reply.content_type) == (200, "text/xml")
    assert await is_stopped()


@pytest.mark.parametrize("signature", [None, "", "RSOYDt4T1cUTdK1PDd93/VVr8B8="])
async def test_a_get_that_is_not_signed_changes_nothing(client, service, signature):
    headers = {"X-Twilio-Signature": signature} if signature is not None else {}
    path = f"{HOOK}?{urlencode(form())}"
    reply = await client.session.get(url_of(client, path), headers=headers)
    assert await problem(reply) == (403, "unsigned_webhook")
    assert await count(service) == 0


async def test_a_gets_signature_does_not_cover_another_query(client, service):
    headers = signed(f"{ORIGIN}{HOOK}?{urlencode(form('hello'))}", {}, TWILIO_TOKEN)
    path = f"{HOOK}?{urlencode(form('STOP'))}"
    assert (await client.session.get(url_of(client, path), headers=headers)).status == 403
    assert await count(service) == 0


async def test_a_posts_parameters_are_never_read_from_the_query(post, service):
    reply = await post(b"", path=f"{HOOK}?{urlencode(form())}", content_type="text/plain")
    assert reply.status in {400, 403}
    assert await count(service) == 0


async def test_other_methods_are_refused(client):
    for method, status in (("HEAD", 403), ("PUT", 405), ("DELETE", 405)):
        assert (await client.request(method, HOOK)).status == status


# --- the fallback URL, and retries ---------------------------------------------------------------


async def test_the_same_url_serves_as_the_fallback_url(post, is_stopped, service):
    fields = form()
    fallback = fields | {"ErrorCode": "11205", "ErrorUrl": ORIGIN + HOOK}
    assert (await post(encoded(fallback))).status == 200
    assert await is_stopped()
    assert (await post(encoded(fields))).status == 200
    assert await count(service) == 1


@pytest.mark.parametrize("tokens", [("one", "one"), ("one", "two"), (None, "two"), (None, None)])
async def test_a_retry_is_one_event_whatever_its_idempotency_token(post, service, tokens):
    body = encoded(form())
    for token in tokens:
        headers = [("I-Twilio-Idempotency-Token", token)] if token else []
        assert (await post(body, headers=headers)).status == 200
    assert await count(service) == 1


async def test_an_idempotency_token_loses_no_stop(post, is_stopped):
    """The token is not signed, so a STOP of another message counts under the same one."""
    headers = [("I-Twilio-Idempotency-Token", "one")]
    assert (await post(encoded(form("hello")), headers=headers)).status == 200
    assert (await post(encoded(form("STOP")), headers=headers)).status == 200
    assert await is_stopped()


# --- anything ------------------------------------------------------------------------------------

ANY_TEXT = st.text(st.characters(codec=None), max_size=60)
NAMES = st.sampled_from([*sorted(sms()), "OptOutType", "MessagingServiceSid"]) | ANY_TEXT
VALUES = st.sampled_from(["STOP", "START", ANNS_PHONE, ACMES_NUMBER, ACCOUNT_SID, ""]) | ANY_TEXT
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=20)
TYPES = st.sampled_from([FORM, FORM + "; charset=utf-16", "application/json", "text/plain", "x"])
HEADER = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)


HEADERS = st.fixed_dictionaries(
    {
        "Content-Type": TYPES,
        "X-Twilio-Webhooks-Signature-Settings": HEADER,
        "I-Twilio-Idempotency-Token": HEADER,
    },
    optional={"X-Twilio-Signature": HEADER},
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=PAIRS, raw=st.binary(max_size=200), headers=HEADERS)
@example(pairs=[], raw=b"\x00\xff", headers={"Content-Type": FORM})
@example(pairs=[("Body", "\ud800")], raw=b"", headers={"Content-Type": FORM})
async def test_no_webhook_is_ever_a_fault(client, pairs, raw, headers):
    text = urlencode([(n.encode(errors="replace"), v.encode(errors="replace")) for n, v in pairs])
    body = text.encode() + raw
    params = MultiDict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    async with asyncio.timeout(20):
        sent = signed(ORIGIN + HOOK, params, TWILIO_TOKEN) | headers
        reply = await client.post(HOOK, data=body, headers=sent)
    assert reply.status in {200, 400, 403, 404}
