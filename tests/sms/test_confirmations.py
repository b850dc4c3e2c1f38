"""What prefsvc answers where Twilio does not: one confirmation for each opt-out (RULES S-15)."""

import asyncio
import re
from xml.etree import ElementTree as ET

import pytest

from prefsvc.brand.sms import segments
from tests.support.cast import ANNS_PHONE, BOB
from tests.support.doubtful import apply_acme, text

SID = "SM" + "1" * 32
STOPPED = "Acme: you are unsubscribed"
BACK = "Acme: our texts can reach you again"
ONCE_MORE = "Acme: your START and a STOP reached us almost together"


@pytest.fixture(autouse=True)
async def acme_answers(service):
    await apply_acme(service, replies_by_provider=False)


@pytest.fixture
def says(client):
    """Text acme; return the beginning of its answer, or nothing."""

    async def says(body, **more):
        root = ET.fromstring(await (await text(client, body, **more)).text())
        assert len(root) <= 1
        return re.split(" and will|[.,]", "".join(root.itertext()))[0]

    return says


async def test_a_stop_is_confirmed(says):
    assert await says("STOP") == STOPPED


async def test_a_second_stop_is_not_confirmed(says, clock):
    await says("STOP")
    for seconds in (1, 90, 90_000):
        clock.move(seconds=seconds)
        assert await says("please stop") == ""


async def test_who_was_stopped_by_another_door_is_not_told_again(says, client, keys):
    body = {"channel": "sms", "address": ANNS_PHONE, "scope": "channel"}
    await client.post("/v1/brands/acme/opt-outs", headers=keys.operator, json=body)
    assert await says("STOP") == ""


async def test_each_opt_out_is_confirmed_once(says, clock):
    heard = []
    for body in ("STOP", "STOP", "START", "START", "STOP", "STOP"):
        clock.move(minutes=1)
        heard.append(await says(body))
    assert heard == [STOPPED, "", BACK, BACK, STOPPED, ""]


async def test_of_many_at_once_one_is_confirmed(says):
    heard = await asyncio.gather(*[says("STOP") for _ in range(10)])
    assert sorted(heard) == [""] * 9 + [STOPPED]


async def test_a_retry_gets_the_same_answer_for_five_minutes(says, clock):
    clock.stop(clock())
    assert await says("STOP", MessageSid=SID) == STOPPED
    clock.move(seconds=300)
    assert await says("STOP", MessageSid=SID) == STOPPED
    clock.move(seconds=1)
    assert await says("STOP", MessageSid=SID) == ""


async def test_a_retry_after_a_start_is_not_told_what_is_not_so(says, clock):
    await says("STOP", MessageSid=SID)
    clock.move(minutes=1)
    assert await says("START") == BACK
    assert await says("STOP", MessageSid=SID) == ""


async def test_a_retried_start_is_not_told_what_is_not_so(says, clock):
    await says("STOP")
    clock.move(minutes=1)
    assert await says("START", MessageSid=SID) == BACK
    assert await says("START", MessageSid=SID) == BACK
    clock.move(minutes=1)
    await says("STOP")
    assert await says("START", MessageSid=SID) == ""


async def test_a_start_beside_a_stop_is_asked_for_once_more(says, clock):
    await says("STOP")
    assert await says("START", MessageSid=SID) == ONCE_MORE
    assert await says("START", MessageSid=SID) == ONCE_MORE
    clock.move(minutes=1)
    assert await says("START") == BACK
    assert await says("START", MessageSid=SID) == BACK


async def test_help_is_answered_and_changes_no_state(says, client, service):
    assert (await says("HELP")).startswith("Acme texts")
    await says("STOP")
    assert (await says("HELP")).startswith("Acme texts")
    assert await service.database.pool.fetchval("select count(*) from preference_event") == 1


@pytest.mark.parametrize("body", ["hello", "", "sorry, you have the wrong number", "YES"])
async def test_nothing_else_is_answered(says, body):
    assert await says(body) == ""


@pytest.mark.parametrize("said", ["STOP", "START", "HELP"])
async def test_what_advanced_opt_out_has_answered_is_not_answered_twice(says, clock, said):
    await says("STOP")
    clock.move(minutes=1)
    if said == "STOP":
        assert await says("START") == BACK
    assert await says(said, OptOutType=said) == ""


async def test_a_stop_that_advanced_opt_out_did_not_see_is_confirmed(says):
    assert await says("please stop texting me") == STOPPED


async def test_a_doubt_that_suppressed_leaves_nothing_to_confirm(says):
    await says("sorry, you have the wrong number")
    assert await says("STOP") == ""


async def test_every_answer_is_one_segment(client, clock):
    for body in ("STOP", "START", "HELP"):
        [message] = ET.fromstring(await (await text(client, body)).text())
        assert segments(message.text) == 1
        assert BOB not in message.text


# --- one message, one effect ---------------------------------------------------------------------


async def test_a_stop_under_the_id_of_a_start_counts(says, clock, service):
    await says("START", MessageSid=SID)
    clock.move(minutes=1)
    assert await says("STOP", MessageSid=SID) == STOPPED


@pytest.mark.parametrize("first", ["hello", "HELP", "", "sorry, you have the wrong number"])
async def test_a_stop_under_the_id_of_another_text_counts(says, service, first):
    await says(first, MessageSid=SID)
    await says("STOP", MessageSid=SID)
    query = "select count(*) from suppression where active"
    assert await service.database.pool.fetchval(query) == 1


async def test_a_start_under_the_id_of_a_stop_never_counts(says, clock, service):
    await says("STOP", MessageSid=SID)
    for _ in range(2):
        clock.move(minutes=1)
        assert await says("START", MessageSid=SID) == ""
    query = "select count(*) from suppression where active"
    assert await service.database.pool.fetchval(query) == 1


async def test_a_stop_is_nobody_elses_though_the_id_is_the_same(says, service):
    people = [f"+12025550{number}" for number in range(101, 181)]
    for phone in people:
        assert await says("STOP", MessageSid=SID, from_=phone) == STOPPED
    query = "select count(*) from suppression where active"
    assert await service.database.pool.fetchval(query) == len(people)
