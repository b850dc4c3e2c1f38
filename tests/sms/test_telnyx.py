"""What is Telnyx' own, over HTTP: one address for all events, Ed25519, clocks that are wrong."""

import asyncio
import json
import time
from collections import defaultdict
from dataclasses import replace

import pytest
import structlog
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from prefsvc.address import Address
from prefsvc.recipients import Recipient
from prefsvc.vault import open_vault
from tests.sms.telnyx_client import (
    ANOTHER_KEY,
    HOOK,
    KEY,
    event,
    message,
    number,
    outcome,
    public,
    signed,
)
from tests.support.cast import ACMES_NUMBER, ACMES_PROFILE, ANNS_PHONE
from tests.support.lists import check

BOBS_PHONE = "+12025550124"
RCS_AGENT = {"type": "RCS", "text": None, "to": [{"agent_id": "e4448a5c", "agent_name": "Acme"}]}
DAY = 24 * 60 * 60
ODD_TIMESTAMPS = ["soon", "2026-03-02T09:00:00Z", "-1", "0", "9" * 40, "1772442000000"]


@pytest.fixture
def post(client):
    async def post(body, **how):
        return await client.post(HOOK, data=body, headers=signed(body, **how))

    return post


@pytest.fixture
def text(post):
    async def text(words="STOP", *, key=KEY, timestamp=None, **more):
        written = {"text": words, "from_": ANNS_PHONE, "to": ACMES_NUMBER} | more
        body = event("message.received", message(**written))
        return await post(body, key=key, timestamp=timestamp)

    return text


@pytest.fixture
def told(post):
    async def told(code="40300", kind="message.finalized", **more):
        sent = {"from_": ACMES_NUMBER, "to": ANNS_PHONE} | more
        return await post(event(kind, outcome(code, **sent)))

    return told


@pytest.fixture
def may_text(client, keys):
    async def asked(phone=ANNS_PHONE):
        [result] = await check(client, keys.texter, phone)
        return result["may_send"]

    return asked


@pytest.fixture
def recorded(service):
    async def count():
        return await service.database.pool.fetchval("select count(*) from preference_event")

    return count


def moment(**ago):
    return str(int(time.time()) - ago.get("seconds", 0))


async def test_the_answer_is_nothing_for_telnyx_takes_no_reply(text):
    reply = await text("HELP")
    assert (reply.status, await reply.read()) == (204, b"")


# --- keys ----------------------------------------------------------------------------------------


async def test_without_a_key_everything_is_refused(service, text, may_text):
    service.vault = replace(service.vault, telnyx_keys=())
    assert (await text()).status == 403
    assert await may_text()


async def test_while_keys_are_rotated_both_are_good(service, settings, text):
    both = f"{public(ANOTHER_KEY)},{public(KEY)}"
    rotating = settings.model_copy(update={"telnyx_public_keys": tuple(both.split(","))})
    service.vault = open_vault(rotating, make_missing=False)
    for key in (KEY, ANOTHER_KEY):
        assert (await text(key=key)).status == 204


# --- clocks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [310, DAY, -310, -DAY])
async def test_a_stop_counts_however_far_the_clocks_are_apart(text, may_text, seconds):
    with structlog.testing.capture_logs() as logs:
        assert (await text(timestamp=moment(seconds=seconds))).status == 204
    assert not await may_text()
    [line] = [one for one in logs if one["event"] == "telnyx_webhook_stale"]
    assert abs(line["age_seconds"] - seconds) < 60


@pytest.mark.parametrize("timestamp", ODD_TIMESTAMPS)
async def test_a_stop_counts_though_its_timestamp_is_no_moment(text, may_text, timestamp):
    assert (await text(timestamp=timestamp)).status == 204
    assert not await may_text()


@pytest.mark.parametrize("stamped", [301, -DAY, *ODD_TIMESTAMPS])
async def test_a_stale_start_lifts_nothing_and_says_why(text, may_text, stamped):
    timestamp = moment(seconds=stamped) if isinstance(stamped, int) else stamped
    await text("STOP")
    for heard in (None, "START"):
        reply = await text("START", autoresponse_type=heard, timestamp=timestamp)
        assert (reply.status, (await reply.json())["code"]) == (403, "stale_webhook")
    assert not await may_text()


async def test_a_start_of_some_minutes_ago_is_one(text, may_text):
    await text("STOP")
    later = {"timestamp": moment(seconds=240), "received_at": "2026-03-02T09:00:01.503+00:00"}
    assert (await text("START", **later)).status == 204
    assert await may_text()


async def test_of_a_stop_and_a_start_that_counts_which_telnyx_received_last(text, may_text):
    early, late = "2026-03-02T09:00:00.503+00:00", "2026-03-02T09:00:00.504+00:00"
    await text("STOP", received_at=late)
    await text("START", received_at=early)
    assert not await may_text()
    await text("START", received_at=late, from_=BOBS_PHONE)
    await text("STOP", received_at=early, from_=BOBS_PHONE)
    assert await may_text(BOBS_PHONE)
    await text("START", received_at=late)
    assert not await may_text()


async def test_an_error_counts_however_late_it_comes(post, may_text):
    body = event("message.finalized", outcome(from_=ACMES_NUMBER, to=ANNS_PHONE))
    assert (await post(body, timestamp=moment(seconds=DAY))).status == 204
    assert not await may_text()


async def test_retries_of_a_message_are_one_though_each_is_signed_anew(post, recorded):
    payload = message("STOP", from_=ANNS_PHONE, to=ACMES_NUMBER)
    for attempt in range(1, 7):
        body = event("message.received", payload, attempt=attempt)
        assert (await post(body, timestamp=moment(seconds=6 - attempt))).status == 204
    assert await recorded() == 1


# --- events --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["message.read", "10dlc.phone_number.update", "message.received.new", "call.initiated"]
)
async def test_any_other_event_is_passed_over(post, recorded, kind):
    for payload in (message("STOP", from_=ANNS_PHONE, to=ACMES_NUMBER), {}, {"id": 5}):
        assert (await post(event(kind, payload))).status == 204
    assert await recorded() == 0


@pytest.mark.parametrize("kind", ["message.sent", "message.finalized"])
async def test_an_error_counts_in_whichever_event_it_comes(told, may_text, kind):
    await told(kind=kind)
    assert not await may_text()


async def test_the_events_of_one_error_in_any_order_are_one_opt_out(told, recorded):
    kinds = ["message.finalized", "message.sent", "message.finalized"]
    replies = await asyncio.gather(*[told(kind=kind, id="msg-1") for kind in kinds])
    assert {reply.status for reply in replies} == {204}
    assert await recorded() == 1


async def test_what_was_delivered_says_nothing_even_of_an_unknown_number(post, recorded):
    body = event("message.finalized", outcome(None, from_="+12025550177", to=ANNS_PHONE))
    assert (await post(body)).status == 204
    assert await recorded() == 0


async def test_a_block_of_a_group_text_is_of_the_one_it_points_at(told, may_text):
    to = [number(ANNS_PHONE, status="delivered"), number(BOBS_PHONE, status="delivery_failed")]
    errors = [{"code": "40300", "source": {"pointer": "/to/1/phone_number"}}]
    await told(to=to, errors=errors)
    assert await may_text(ANNS_PHONE)
    assert not await may_text(BOBS_PHONE)


async def test_a_block_of_several_is_recorded_for_each(told, may_text):
    to = [number(one, status="sending_failed") for one in (ANNS_PHONE, BOBS_PHONE)]
    await told(to=to)
    assert not await may_text(ANNS_PHONE)
    assert not await may_text(BOBS_PHONE)


async def test_a_block_of_several_in_one_bucket_is_recorded_for_each(told, may_text, service):
    """What names a request counts once in a bucket, so it has to name the person, too."""
    together = defaultdict(list)
    for one in (f"+1202555{last:04}" for last in range(100, 200)):
        recipient = Recipient.of(Address.for_opt_out("sms", one), service.vault)
        together[recipient.bucket].append(one)
    numbers = max(together.values(), key=len)
    await told(to=[number(one, status="sending_failed") for one in numbers])
    assert len(numbers) > 1
    assert [await may_text(one) for one in numbers] == [False] * len(numbers)


# --- who was written to --------------------------------------------------------------------------


async def test_the_brand_is_found_by_its_messaging_profile(text, may_text):
    reply = await text(to=[number("+12025550177")], messaging_profile_id=ACMES_PROFILE.upper())
    assert reply.status == 204
    assert not await may_text()


async def test_a_stop_to_an_rcs_agent_is_a_stop_to_the_whole_brand(text, may_text, service):
    more = RCS_AGENT | {"messaging_profile_id": ACMES_PROFILE, "body": {"text": "STOP"}}
    assert (await text(**more)).status == 204
    assert not await may_text()
    scopes = await service.database.pool.fetch("select distinct scope from preference_event")
    assert [tuple(row) for row in scopes] == [("brand",)]


async def test_a_stop_in_a_group_is_for_the_brand_in_it_wherever_it_stands(text, may_text):
    await text(to=[number(BOBS_PHONE)], cc=[number(ANNS_PHONE), number(ACMES_NUMBER)])
    assert not await may_text()


async def test_a_stop_in_a_group_with_two_brands_is_for_both(text, client, keys, recorded):
    globex = "+12025550199"
    await text(to=[number(globex), number(ACMES_NUMBER)])
    assert await recorded() == 2
    reply = await client.post(
        "/v1/brands/globex/check",
        headers=keys.house,
        json={"channel": "sms", "addresses": [ANNS_PHONE]},
    )
    assert not (await reply.json())["results"][0]["may_send"]


# --- whatever comes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_body"),
        (b"From=%2B12025550123&Body=STOP", "invalid_body"),
        (b"[" * 50_000, "invalid_body"),
        (b'{"data": {}}', "invalid_body"),
        (event("message.received", {}), "unreadable_message"),
        (event("message.received", message("STOP", from_="")), "unreadable_message"),
        (event("message.received", message("STOP", id=None)), "unreadable_message"),
    ],
)
async def test_what_telnyx_signed_and_nobody_can_read_is_a_clear_problem(post, body, code):
    reply = await post(body)
    assert (reply.status, (await reply.json())["code"]) == (400, code)


@pytest.mark.parametrize("end", [rb"\ud83d", rb"\u0000", b"\xf0\x9f"])
async def test_a_message_that_ends_in_half_an_emoji_is_heard(post, may_text, end):
    body = event("message.received", message("STOP", from_=ANNS_PHONE, to=ACMES_NUMBER))
    assert (await post(body.replace(b'"STOP"', b'"STOP %s"' % end))).status == 204
    assert not await may_text()


NAMES = st.sampled_from(sorted({*message(), *outcome(), "body"}))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from([ACMES_NUMBER, ANNS_PHONE, ACMES_PROFILE, "40300", "40001", "\0", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["phone_number", "text", "code", "status"]), inner)
    ),
    max_leaves=6,
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(kind="message.received", more={"id": "\0"})
@example(kind="message.received", more={"id": "\ud800", "organization_id": "\0"})
@example(kind="message.received", more={"from": {"phone_number": "\ud800"}})
@example(kind="message.finalized", more={"id": "\ud800\0"})
@example(kind="message.finalized", more={"to": [{"phone_number": "\0"}]})
@given(
    kind=st.sampled_from(["message.received", "message.sent", "message.finalized"]),
    more=st.dictionaries(NAMES, VALUES, max_size=5),
)
async def test_nothing_that_telnyx_could_sign_is_ever_a_fault(post, kind, more):
    numbers = {"from_": ANNS_PHONE, "to": ACMES_NUMBER}
    back = {"from_": ACMES_NUMBER, "to": ANNS_PHONE}
    payload = message(**numbers) if kind == "message.received" else outcome(**back)
    reply = await post(event(kind, payload | more))
    assert reply.status in {204, 400, 404}
    if reply.status != 204:
        assert ANNS_PHONE not in json.dumps(await reply.json())
