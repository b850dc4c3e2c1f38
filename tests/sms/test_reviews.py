"""A doubtful reply, from the webhook to the decision (RULES S-13, S-15)."""

import asyncio
from uuid import uuid4

import pytest

from tests.support.cast import ANNS_PHONE
from tests.support.doubtful import (
    DOUBTFUL,
    REVIEWS,
    apply_acme,
    count_of,
    decide,
    listed,
    may_text,
    only_review,
    opt_out,
    post_decision,
    text,
)
from tests.support.lists import problem

LONDON = "+442079460123"
SID = "SM" + "7" * 32


@pytest.fixture
async def reviewing(service):
    """Acme, which suppresses no doubtful reply before somebody decides."""
    await apply_acme(service, doubtful="review")


# --- suppressed first ----------------------------------------------------------------------------


@pytest.mark.parametrize("body", [DOUBTFUL, "who is this?", "no thanks"])
async def test_under_the_tcpa_a_doubtful_reply_suppresses_first(client, keys, body):
    reply = await text(client, body)
    assert (await reply.text()).endswith(("<Response />", "<Response/>"))
    assert not await may_text(client, keys)
    review = await only_review(client, keys)
    assert review["state"] == "open"
    assert review["address"] == ANNS_PHONE
    assert review["evidence"]["body"] == body
    assert review["consequence"] == "The opt-out stands until the person says otherwise."
    found = await opt_out(client, keys, review["opt_out_id"])
    assert (found["source"], found["scope"]) == ("sms_reply", "channel")
    evidence = found["evidence"]
    assert (evidence["inferred"], evidence["intent"]) == (True, "ask")
    assert evidence["rule"] == review["rule"]
    assert evidence["body"] == body


async def test_deciding_stop_confirms_and_records_no_second_opt_out(client, keys, service):
    await text(client)
    review = await only_review(client, keys)
    decided = await decide(client, keys, review, "stop", note="He has a new number.")
    assert (decided["state"], decided["due_at"]) == ("stop", None)
    assert decided["note"] == "He has a new number."
    assert decided["decided_by"].startswith("test (key ")
    assert decided["opt_out_id"] == review["opt_out_id"]
    assert await count_of(service, "preference_event") == 1


async def test_dismissing_lifts_nothing_only_the_person_does(client, keys, clock):
    await text(client)
    decided = await decide(client, keys, await only_review(client, keys), "dismiss")
    assert decided["state"] == "dismissed"
    assert decided["consequence"] == "The opt-out stands until the person says otherwise."
    assert not await may_text(client, keys)
    clock.move(minutes=1)
    await text(client, "START")
    assert await may_text(client, keys)


async def test_a_start_is_stronger_than_the_decision_about_what_was_said_before_it(
    client, keys, clock
):
    await text(client)
    clock.move(minutes=1)
    await text(client, "START")
    await decide(client, keys, await only_review(client, keys), "stop")
    assert await may_text(client, keys)


# --- reviewed first ------------------------------------------------------------------------------


async def test_a_brand_may_have_a_person_decide_first(client, keys, reviewing, clock):
    await text(client)
    review = await only_review(client, keys)
    assert review["opt_out_id"] is None
    assert review["consequence"] == "Nothing is suppressed yet; if nobody decides, it is a stop."
    assert await may_text(client, keys)
    clock.move(days=2)
    decided = await decide(client, keys, review, "stop", note="It was.")
    assert not await may_text(client, keys)
    found = await opt_out(client, keys, decided["opt_out_id"])
    assert found["received_at"] == review["asked_at"]
    assert found["recorded_at"] == decided["decided_at"]
    assert found["evidence"]["inferred"]
    assert found["evidence"]["body"] == DOUBTFUL
    given = {"choice": "stop", "by": decided["decided_by"], "note": "It was."}
    assert found["evidence"]["decided"] == given


async def test_what_is_dismissed_there_suppresses_nobody(client, keys, reviewing, service):
    await text(client)
    decided = await decide(client, keys, await only_review(client, keys), "dismiss")
    assert decided["consequence"] == "Nothing was suppressed."
    assert decided["opt_out_id"] is None
    assert await may_text(client, keys)
    assert await count_of(service, "preference_event") == 0


async def test_a_start_after_the_doubt_is_the_later_word(client, keys, reviewing, clock):
    await text(client)
    clock.move(hours=1)
    await text(client, "START")
    clock.move(hours=1)
    await decide(client, keys, await only_review(client, keys), "stop")
    assert await may_text(client, keys)


async def test_without_the_tcpa_it_is_the_recipients_country_that_counts(client, keys, service):
    await service.database.pool.execute(
        "update brand set definition = definition - 'rules', applied_at = applied_at + '1 s'"
    )
    service.book_version = None
    await service.refresh_book()
    await text(client)
    await text(client, from_=LONDON)
    by_state = {bool(one["opt_out_id"]) for one in await listed(client, keys)}
    assert by_state == {True, False}
    assert not await may_text(client, keys)
    assert await may_text(client, keys, LONDON)


async def test_a_brand_may_have_wrong_number_stop(client, keys, service):
    await apply_acme(service, doubtful="review", wrong_number="stop")
    await text(client)
    assert await listed(client, keys) == []
    assert not await may_text(client, keys)


async def test_what_is_not_doubtful_is_not_asked_about(client, keys):
    for body in ("STOP", "can't stop laughing", "START", "HELP", ""):
        await text(client, body)
    assert await listed(client, keys) == []


async def test_a_name_that_nobody_could_text_is_not_asked_about(client, keys):
    await text(client, from_="ACMEBANK")
    assert await listed(client, keys) == []


# --- once ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("doubtful", ["suppress", "review"])
async def test_the_same_message_is_asked_about_once(client, keys, service, doubtful):
    await apply_acme(service, doubtful=doubtful)
    await asyncio.gather(*[text(client, MessageSid=SID) for _ in range(8)])
    review = await only_review(client, keys)
    await decide(client, keys, review, "dismiss")
    await text(client, MessageSid=SID)
    assert (await only_review(client, keys))["state"] == "dismissed"
    assert await count_of(service, "preference_event") == (doubtful == "suppress")


async def test_a_duplicate_that_comes_after_a_start_stops_nothing(client, keys, clock):
    await text(client, MessageSid=SID)
    clock.move(minutes=1)
    await text(client, "START")
    await text(client, MessageSid=SID)
    assert await may_text(client, keys)


@pytest.mark.parametrize("first", ["START", "HELP", DOUBTFUL])
async def test_a_stop_under_the_id_of_another_message_is_not_lost(client, keys, reviewing, first):
    await text(client, first, MessageSid=SID)
    if first == DOUBTFUL:
        await text(client, "STOP", MessageSid=SID)
    else:
        await text(client, DOUBTFUL, MessageSid=SID)
        await decide(client, keys, await only_review(client, keys), "stop")
    assert not await may_text(client, keys)


async def test_a_decision_is_made_once(client, keys, service):
    await text(client)
    review = await only_review(client, keys)
    first = await decide(client, keys, review, "stop", note="First.")
    assert await decide(client, keys, review, "stop", note="Second.") == first
    refused = await post_decision(client, keys, review, "dismiss")
    assert await problem(refused) == (409, "review_decided")


@pytest.mark.parametrize("doubtful", ["suppress", "review"])
async def test_of_decisions_made_at_once_one_counts(client, keys, service, doubtful):
    await apply_acme(service, doubtful=doubtful)
    await text(client)
    review = await only_review(client, keys)
    made = ["stop", "dismiss"] * 4
    replies = await asyncio.gather(*[post_decision(client, keys, review, one) for one in made])
    state = (await only_review(client, keys))["state"]
    won = {"stop": "stop", "dismissed": "dismiss"}[state]
    assert [reply.status for reply in replies] == [200 if one == won else 409 for one in made]
    events = await count_of(service, "preference_event")
    assert events == (1 if doubtful == "suppress" or state == "stop" else 0)


async def test_a_retry_of_the_message_races_with_the_decision(client, keys, service):
    await text(client, MessageSid=SID)
    review = await only_review(client, keys)
    retries = [text(client, MessageSid=SID) for _ in range(4)]
    decisions = [decide(client, keys, review, "stop") for _ in range(4)]
    await asyncio.gather(*retries, *decisions)
    assert (await only_review(client, keys))["state"] == "stop"
    assert await count_of(service, "preference_event") == 1


# --- who may see it ------------------------------------------------------------------------------


async def test_other_brands_see_nothing_of_it(client, keys):
    await text(client)
    review = await only_review(client, keys)
    theirs = f"/v1/brands/globex/reviews/{review['review_id']}"
    for asked in (
        client.get(theirs, headers=keys.house),
        client.post(f"{theirs}/decision", headers=keys.house, json={"decision": "stop"}),
    ):
        assert await problem(await asked) == (404, "unknown_review")
    reply = await client.get("/v1/brands/globex/reviews", headers=keys.globex_operator)
    assert (await reply.json())["reviews"] == []
    assert (await only_review(client, keys))["state"] == "open"


async def test_it_is_for_operators(client, keys):
    await text(client)
    review = await only_review(client, keys)
    one = f"{REVIEWS}/{review['review_id']}"
    for path in (REVIEWS, one):
        reply = await client.get(path, headers=keys.texter)
        assert await problem(reply) == (403, "not_allowed")
    reply = await client.post(f"{one}/decision", headers=keys.texter, json={"decision": "stop"})
    assert await problem(reply) == (403, "not_allowed")


async def test_the_list_shows_neither_words_nor_addresses(client, keys):
    await text(client)
    reply = await client.get(REVIEWS, headers=keys.operator)
    said = await reply.text()
    assert ANNS_PHONE not in said
    assert "wrong number" not in said


async def test_an_erased_address_is_not_shown_and_its_review_can_be_decided(
    client, keys, reviewing, service
):
    await text(client)
    await service.database.pool.execute(
        "update address set canonical = null, as_written = null, sealed_sha256 = '\\x00',"
        " erased_at = first_seen_at"
    )
    review = await only_review(client, keys)
    assert review["address"] is None
    await decide(client, keys, review, "stop")
    assert not await may_text(client, keys)


# --- the queue -----------------------------------------------------------------------------------


async def test_the_queue_is_read_in_pages_the_oldest_first(client, keys, clock):
    for number in range(5):
        await text(client, from_=f"+1202555013{number}")
        clock.move(minutes=1)
    whole = await listed(client, keys, state="open")
    moments = [one["asked_at"] for one in whole]
    assert (len(moments), moments) == (5, sorted(moments))
    first = await client.get(REVIEWS, headers=keys.operator, params={"limit": 3})
    following = (await first.json())["next"]
    rest = await listed(client, keys, limit=3, after=following)
    assert (await first.json())["reviews"] + rest == whole
    await decide(client, keys, whole[0], "dismiss")
    assert await listed(client, keys, state="open") == whole[1:]
    assert [one["review_id"] for one in await listed(client, keys, state="dismissed")] == [
        whole[0]["review_id"]
    ]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"state": "closed"}, (400, "invalid_parameter")),
        ({"limit": "0"}, (400, "invalid_parameter")),
        ({"after": "x"}, (400, "invalid_parameter")),
        ({"after": str(uuid4())}, (404, "unknown_review")),
    ],
)
async def test_a_wrong_question_is_told_what_is_wrong(client, keys, params, expected):
    reply = await client.get(REVIEWS, headers=keys.operator, params=params)
    assert await problem(reply) == expected


@pytest.mark.parametrize("review_id", ["x", "7d1c2f0e-5b7e-4c58-9a36-2f8f0d4b1c55"])
async def test_a_review_that_is_not_there_is_refused(client, keys, review_id):
    one = f"{REVIEWS}/{review_id}"
    reply = await client.get(one, headers=keys.operator)
    assert await problem(reply) == (404, "unknown_review")
    body = {"decision": "stop"}
    reply = await client.post(f"{one}/decision", headers=keys.operator, json=body)
    assert await problem(reply) == (404, "unknown_review")


async def test_a_decision_that_is_none_is_refused(client, keys):
    await text(client)
    review = await only_review(client, keys)
    for body in ({"decision": "perhaps"}, {}, {"decision": "stop", "note": " "}):
        url = f"{REVIEWS}/{review['review_id']}/decision"
        reply = await client.post(url, headers=keys.operator, json=body)
        assert await problem(reply) == (400, "invalid_body")
