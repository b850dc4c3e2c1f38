"""WhatsApp as a channel of its own, by the API and by links (S-31, S-32)."""

import re
from datetime import timedelta
from html import unescape

import pytest

from prefsvc import links
from prefsvc.links import Link
from tests.support.cast import ANN, ANNS_PHONE
from tests.support.lists import ACME, check, problem, say_start, say_stop, sha256
from tests.support.sending import report
from tests.support.whatsapp import BOTH, apply_acme, opened

WRITTEN = ["whatsapp:+12025550123", "WhatsApp: +1 (202) 555-0123", "+12025550123", "12025550123"]


@pytest.fixture
async def lists(client, service):
    """Acme's lists, on both channels of a number; nothing in them may ever be wrong."""
    lists = await opened(client, service)
    yield lists
    assert await lists.wrongs() == []


@pytest.fixture
def mint(service):
    def made(channel="whatsapp", **more):
        link = Link(channel, ANNS_PHONE, **more)
        return f"/u/{links.seal(service.book.keyring.key('acme'), link)}"

    return made


def field(html, name):
    return unescape(re.search(rf'name="{name}" value="([^"]*)"', html)[1])


# --- opt-outs and opt-ins ------------------------------------------------------------------------


@pytest.mark.parametrize("written", WRITTEN)
async def test_a_number_is_read_as_a_text_messages_is_and_stopped_on_whatsapp(
    client, keys, lists, written
):
    await say_stop(client, keys, written, channel="whatsapp")
    assert await lists.stopped() == ["whatsapp"]
    [verdict] = await check(client, lists.headers["whatsapp"], sha256=[sha256(ANNS_PHONE)])
    assert not verdict["may_send"]


async def test_a_topic_is_stopped_on_one_channel(client, keys, lists):
    await say_stop(client, keys, ANNS_PHONE, channel="whatsapp", topic="news")
    assert await lists.stopped(topic="news") == ["whatsapp"]
    assert await lists.stopped() == []


async def test_an_opt_in_on_one_channel_lifts_nothing_on_the_other(client, keys, lists):
    for channel in BOTH:
        await say_stop(client, keys, ANNS_PHONE, channel=channel)
    assert (await say_start(client, keys, ANNS_PHONE, channel="whatsapp"))["lifted"]
    assert await lists.stopped() == ["sms"]


async def test_what_is_no_number_is_refused_for_an_opt_in(client, keys, lists):
    body = {"channel": "whatsapp", "address": "+999999", "source": "phone", "evidence": {"a": 1}}
    reply = await client.post(f"{ACME}/opt-ins", headers=keys.operator, json=body)
    assert await problem(reply) == (422, "invalid_address")


@pytest.mark.parametrize("scope", ["brand", "third_party_sharing"])
@pytest.mark.parametrize("channel", BOTH)
async def test_what_is_said_of_more_than_a_channel_counts_on_both_and_is_lifted_on_both(
    client, keys, lists, channel, scope
):
    said = await say_stop(client, keys, ANNS_PHONE, channel=channel, scope=scope)
    assert (said["is_new"], said["scope"], said["also"]) == (True, scope, [])
    assert await lists.listed() == {"sms": [scope], "whatsapp": [scope]}
    purpose = "third_party_sharing" if scope == "third_party_sharing" else "message"
    assert await lists.stopped(purpose=purpose) == list(BOTH)
    lifted = await say_start(client, keys, ANNS_PHONE, channel=channel, scope=scope)
    assert lifted["lifted"]
    assert await lists.listed() == {"sms": [], "whatsapp": []}


async def test_the_brand_stopped_by_email_says_nothing_of_a_number(client, keys, lists):
    await say_stop(client, keys, ANN, scope="brand")
    assert await lists.stopped() == []


async def test_saying_it_again_adds_nothing_on_either_channel(client, keys, lists, service):
    for channel in (*BOTH, *BOTH):
        await say_stop(client, keys, ANNS_PHONE, channel=channel, scope="brand")
    count = "select count(*) from preference_event"
    assert await service.database.pool.fetchval(count) == len(BOTH)


async def test_both_channels_in_one_act_are_new_on_both(client, keys, lists):
    also = [{"channel": "whatsapp", "address": ANNS_PHONE}]
    said = await say_stop(client, keys, ANNS_PHONE, channel="sms", scope="brand", also=also)
    assert [one["is_new"] for one in (said, *said["also"])] == [True, True]


async def test_each_row_of_it_is_heard_by_the_senders_of_its_channel(client, keys, lists, service):
    await say_stop(client, keys, ANNS_PHONE, channel="sms", scope="brand")
    heard = {}
    for event_id in await service.database.pool.fetch("select event_id from preference_event"):
        reply = await client.get(f"{ACME}/opt-outs/{event_id[0]}", headers=keys.operator)
        document = await reply.json()
        heard[document["channel"]] = {one["sender"] for one in document["senders"]}
    assert heard == {"sms": {"texter", "sender-of-texts"}, "whatsapp": {"chatter"}}


async def test_an_opt_in_to_whatsapp_lifts_no_texts_of_a_brand_without_it(client, keys, service):
    await say_stop(client, keys, ANNS_PHONE, channel="sms")
    await say_start(client, keys, ANNS_PHONE, channel="whatsapp")
    [verdict] = await check(client, keys.texter, ANNS_PHONE)
    assert not verdict["may_send"]


# --- deadlines -----------------------------------------------------------------------------------


async def test_without_a_promise_of_its_own_the_rules_and_promise_for_texts_count(
    client, keys, lists, clock
):
    clock.stop(clock())
    due = {
        (await say_stop(client, keys, ANNS_PHONE, channel=channel))["deadline_at"]
        for channel in BOTH
    }
    assert len(due) == 1


# --- what was sent -------------------------------------------------------------------------------


@pytest.mark.parametrize("stopped_on", BOTH)
async def test_a_message_is_judged_by_what_was_said_on_its_channel(
    client, keys, lists, clock, stopped_on
):
    await say_stop(client, keys, ANNS_PHONE, channel=stopped_on)
    clock.move(days=40)
    sent = {"address": ANNS_PHONE, "sent_at": (clock() - timedelta(days=1)).isoformat()}
    verdicts = {
        channel: (await report(client, lists.headers[channel], sent)).verdicts for channel in BOTH
    }
    other = BOTH[1 - BOTH.index(stopped_on)]
    assert verdicts == {stopped_on: ["violation"], other: ["clear"]}


# --- links ---------------------------------------------------------------------------------------


async def test_a_link_of_a_whatsapp_message_stops_whatsapp(client, lists, mint):
    page = await (await client.get(mint())).text()
    assert "WhatsApp" in page
    assert (await client.post(mint())).status == 200
    assert await lists.stopped() == ["whatsapp"]


async def test_a_short_link_of_a_whatsapp_message_stops_whatsapp(client, keys, lists):
    line = {"channel": "whatsapp", "address": ANNS_PHONE, "form": "short"}
    reply = await client.post(f"{ACME}/links", headers=keys.operator, json=line)
    token = (await reply.json(content_type=None))["token"]
    assert (await client.post(f"/u/{token}")).status == 200
    assert await lists.stopped() == ["whatsapp"]


async def test_the_button_that_stops_everything_stops_both_and_undo_takes_both_back(
    client, lists, mint
):
    path = mint(topic="news")
    nonce = field(await (await client.get(path)).text(), "nonce")
    done = await client.post(path, data={"nonce": nonce, "everything": "1"})
    assert await lists.listed() == {"sms": ["brand"], "whatsapp": ["brand"]}
    ticket = field(await done.text(), "ticket")
    assert (await client.post(path + "/undo", data={"ticket": ticket})).status == 200
    assert await lists.listed() == {"sms": [], "whatsapp": []}


async def test_a_link_of_a_channel_that_the_brand_gave_up_still_stops_it(
    client, lists, mint, service
):
    await apply_acme(service, channels=("email", "sms", "post"))
    assert (await client.post(mint())).status == 200
    assert await lists.stopped() == list(BOTH)


async def test_undo_on_a_channel_that_the_brand_lacks_takes_back_no_earlier_stop_to_texts(
    client, keys, mint
):
    """Only what the press did may be undone; what was said by text before it was not the press."""
    await say_stop(client, keys, ANNS_PHONE, channel="sms")
    done = await (await client.post(mint())).text()
    assert 'name="ticket"' not in done
    [verdict] = await check(client, keys.texter, ANNS_PHONE)
    assert not verdict["may_send"]


async def test_undo_on_a_channel_that_the_brand_lacks_takes_back_all_that_the_press_did(
    client, keys, mint
):
    ticket = field(await (await client.post(mint())).text(), "ticket")
    assert (await client.post(mint() + "/undo", data={"ticket": ticket})).status == 200
    for channel in BOTH:
        assert await check(client, keys.operator, ANNS_PHONE, channel=channel) == [
            {"may_send": True}
        ]
