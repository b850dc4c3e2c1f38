"""WhatsApp and RCS by Twilio's door, signed by the official library (S-25, S-31, S-32)."""

import itertools
from dataclasses import replace

import pytest

from tests.support.cast import ANNS_PHONE
from tests.support.doubtful import DOUBTFUL, decide, may_text, only_review
from tests.support.lists import ACME
from tests.support.whatsapp import BOTH, apply_acme, fail, opened, text

SID = "SM" + "5" * 32
WORDS = [(network, body) for network in BOTH for body in ("STOP", "START")]


@pytest.fixture
async def lists(client, service):
    """Acme's lists, on both channels of a number; nothing in them may ever be wrong."""
    lists = await opened(client, service)
    yield lists
    assert await lists.wrongs() == []


@pytest.mark.parametrize("network", BOTH)
async def test_a_stop_stops_the_channel_that_it_was_said_on_and_no_other(client, lists, network):
    await text(client, network=network)
    assert await lists.stopped() == [network]
    assert await lists.stopped(topic="news") == [network]
    assert await lists.stopped(message_class="transactional") == []
    other = BOTH[1 - BOTH.index(network)]
    assert await lists.listed() == {network: ["channel"], other: []}


async def test_one_number_is_one_person_on_both_channels(client, lists, service):
    await text(client, network="sms")
    await text(client, network="whatsapp")
    rows = await service.database.pool.fetch("select channel, canonical from address")
    assert [tuple(row) for row in rows] == [("sms", ANNS_PHONE)]
    assert (
        await service.database.pool.fetchval(
            "select count(distinct address_key) from preference_event"
        )
        == 1
    )
    assert await lists.stopped() == list(BOTH)


@pytest.mark.parametrize("said", list(itertools.permutations(WORDS)))
async def test_in_whatever_order_the_last_word_on_a_channel_counts_there(client, lists, said):
    for network, body in said:
        await text(client, body, network=network)
    last = dict(said)
    stopped = [channel for channel in BOTH if last[channel] == "STOP"]
    assert await lists.stopped() == stopped
    assert await lists.listed() == {
        channel: ["channel"] if channel in stopped else [] for channel in BOTH
    }


async def test_a_stop_on_rcs_stops_the_brand_on_every_channel_of_the_number(client, lists):
    await text(client, network="rcs")
    assert await lists.stopped() == list(BOTH)
    assert await lists.listed() == {"sms": ["brand"], "whatsapp": ["brand"]}


async def test_every_sender_of_either_channel_owes_a_stop_on_rcs(client, keys, lists):
    await text(client, network="rcs")
    reply = await client.get(f"{ACME}/senders", headers=keys.operator)
    owed = {one["sender"]: one["owed_count"] for one in (await reply.json())["senders"]}
    assert owed == {"mailer": 0, "texter": 1, "sender-of-texts": 1, "chatter": 1}


async def test_start_on_rcs_lifts_what_stop_on_rcs_stopped(client, lists):
    await text(client, network="rcs")
    await text(client, "START", network="rcs")
    assert await lists.stopped() == []
    assert await lists.listed() == {"sms": [], "whatsapp": []}


@pytest.mark.parametrize("network", BOTH)
async def test_start_on_one_channel_does_not_lift_what_stop_on_rcs_stopped(client, lists, network):
    await text(client, network="rcs")
    await text(client, "START", network=network)
    assert await lists.stopped() == list(BOTH)


@pytest.mark.parametrize("network", BOTH)
async def test_start_on_rcs_does_not_lift_what_was_stopped_on_one_channel(client, lists, network):
    await text(client, network=network)
    await text(client, network="rcs")
    await text(client, "START", network="rcs")
    assert await lists.stopped() == [network]


async def test_a_duplicate_that_comes_after_start_changes_nothing_on_either_channel(client, lists):
    await text(client, network="rcs", MessageSid=SID)
    await text(client, "START", network="rcs")
    await text(client, network="rcs", MessageSid=SID)
    assert await lists.stopped() == []


async def test_the_same_message_on_rcs_is_one_row_a_channel(client, lists, service):
    for _ in range(3):
        await text(client, network="rcs", MessageSid=SID)
    rows = await service.database.pool.fetch(
        "select channel, idempotency_key from preference_event order by position"
    )
    (_, key), _ = rows
    assert key.startswith(f"twilio:{SID}:")
    assert [tuple(row) for row in rows] == [("sms", key), ("whatsapp", f"{key}:whatsapp")]


async def test_what_was_recorded_on_the_other_channel_says_where_it_was_said(
    client, lists, service
):
    await text(client, network="rcs")
    rows = await service.database.pool.fetch(
        "select e.channel, p.content ->> 'said_on', p.content ->> 'network'"
        " from preference_event as e join evidence as p using (bucket, event_id) order by position"
    )
    assert [tuple(row) for row in rows] == [
        ("sms", None, "rcs"), ("whatsapp", "sms", "rcs")
    ]  # fmt: skip


# --- a brand without the channel -----------------------------------------------------------------


async def test_a_brand_without_whatsapp_has_a_stop_on_whatsapp_in_the_list_that_it_has(
    client, keys, service
):
    await text(client)
    assert not await may_text(client, keys)


async def test_a_start_on_whatsapp_lifts_no_stop_by_text_whatever_the_brand_has(
    client, keys, clock
):
    await text(client, network="sms")
    clock.move(minutes=5)
    await text(client, "START")
    assert not await may_text(client, keys)
    await text(client, "START", network="sms")
    assert await may_text(client, keys)


async def test_a_stop_from_before_a_brand_had_whatsapp_is_in_its_list_from_the_first(
    client, service
):
    await text(client)
    lists = await opened(client, service)
    assert await lists.listed() == {"sms": ["channel"], "whatsapp": ["channel"]}
    assert await lists.wrongs() == []


async def test_a_brand_without_texts_has_a_stop_by_text_in_its_whatsapp_list(client, service):
    lists = await opened(client, service)
    await apply_acme(service, channels=("email", "whatsapp", "post"))
    await text(client, network="sms")
    assert await lists.stopped() == list(BOTH)


async def test_a_landline_of_a_brand_without_texts_may_have_whatsapp(client, service):
    lists = await opened(client, service)
    await apply_acme(service, channels=("email", "whatsapp", "post"))
    await fail(client, "30006", network="sms")
    assert await lists.stopped() == ["sms"]


# --- errors --------------------------------------------------------------------------------------


async def test_who_blocked_the_brand_on_whatsapp_gets_no_more_there_and_texts_as_before(
    client, lists
):
    await fail(client, "63014")
    assert await lists.stopped() == ["whatsapp"]
    await text(client, "START")
    assert await lists.stopped() == []


async def test_who_blocked_the_brand_on_rcs_gets_nothing_more_from_it(client, lists):
    await fail(client, "63014", network="rcs")
    assert await lists.listed() == {"sms": ["brand"], "whatsapp": ["brand"]}


async def test_who_told_twilio_to_stop_texts_is_stopped_by_text(client, lists):
    await fail(client, "21610", network="sms")
    assert await lists.stopped() == ["sms"]


@pytest.mark.parametrize("network", ["sms", "rcs"])
async def test_a_number_that_takes_no_texts_may_have_whatsapp(client, lists, network):
    await fail(client, "30006", network=network)
    assert await lists.stopped(message_class="transactional") == ["sms"]


# --- doubtful replies ----------------------------------------------------------------------------


async def test_a_doubtful_reply_on_whatsapp_is_a_review_of_whatsapp(client, keys, lists):
    await text(client, DOUBTFUL)
    review = await only_review(client, keys)
    assert review["channel"] == "whatsapp"
    assert await lists.stopped() == ["whatsapp"]


@pytest.mark.parametrize("doubtful", ["suppress", "review"])
async def test_a_doubtful_reply_on_rcs_that_is_a_stop_stops_the_brand(
    client, keys, lists, service, doubtful
):
    brand = service.book.get("acme").brand
    await apply_acme(service, sms=replace(brand.sms, doubtful=doubtful))
    await text(client, DOUBTFUL, network="rcs")
    assert await lists.stopped() == (list(BOTH) if doubtful == "suppress" else [])
    await decide(client, keys, await only_review(client, keys), "stop")
    assert await lists.listed() == {"sms": ["brand"], "whatsapp": ["brand"]}


# --- other networks ------------------------------------------------------------------------------


async def test_other_networks_are_as_they_were(client, keys, lists):
    await text(client, network="messenger")
    assert await lists.stopped() == ["sms"]


@pytest.mark.parametrize("provider_type", ["", "START"])
async def test_a_start_on_a_network_whose_ids_only_look_like_numbers_lifts_nothing(
    client, lists, provider_type
):
    await text(client, network="sms")
    await text(client, "START", network="messenger", OptOutType=provider_type)
    assert await lists.stopped() == ["sms"]


async def test_a_text_in_a_messaging_service_counts_on_the_network_that_it_came_by(client, lists):
    await text(client, MessagingServiceSid="MG00000000000000000000000000000acc")
    assert await lists.stopped() == ["whatsapp"]
