"""An unanswered doubt is a stop: the loop that says so (RULES S-15)."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from prefsvc import metrics
from prefsvc.errors import ReviewDecided
from prefsvc.reviews import Answer
from prefsvc.work import reviews as loop
from prefsvc.work.reviews import decide_unanswered
from tests.support.cast import ANNS_PHONE
from tests.support.doubtful import (
    apply_acme,
    count_of,
    decide,
    listed,
    may_text,
    only_review,
    opt_out,
    text,
)

FEED = "/v1/brands/acme/feed"


@pytest.fixture
def settings(settings, request):
    """Let the service's own loop keep out of it, unless a test says how often it looks."""
    return settings.model_copy(update={"review_seconds": getattr(request, "param", 3600)})


@pytest.fixture(params=["suppress", "review"])
async def doubtful(service, request):
    """What acme does with doubtful replies."""
    await apply_acme(service, doubtful=request.param)
    return request.param


async def test_it_waits_for_three_days_and_then_is_a_stop(client, keys, service, clock, doubtful):
    await text(client)
    asked = await only_review(client, keys)
    due_at = datetime.fromisoformat(asked["due_at"])
    assert due_at - datetime.fromisoformat(asked["asked_at"]) == timedelta(days=3)
    clock.move(days=3, seconds=-5)
    await decide_unanswered(service)
    assert (await only_review(client, keys))["state"] == "open"
    clock.move(seconds=10)
    await decide_unanswered(service)
    decided = await only_review(client, keys)
    assert (decided["state"], decided["decided_by"]) == ("stop", "prefsvc")
    assert decided["note"] == "Nobody decided within 3 days."
    assert not await may_text(client, keys)
    found = await opt_out(client, keys, decided["opt_out_id"])
    assert found["received_at"] == asked["asked_at"]
    assert await count_of(service, "preference_event") == 1


async def test_what_was_decided_is_left_alone(client, keys, service, clock, doubtful):
    await text(client)
    decided = await decide(client, keys, await only_review(client, keys), "dismiss")
    clock.move(days=4)
    await decide_unanswered(service)
    assert await listed(client, keys) == [decided]


async def test_two_rounds_and_a_person_at_once_decide_once(client, keys, service, clock, doubtful):
    await text(client)
    review = await only_review(client, keys)
    clock.move(days=4)
    rounds = [decide_unanswered(service) for _ in range(3)]
    person = service.decide(
        service.book.get("acme"), UUID(review["review_id"]), Answer("dismiss", "Carol")
    )
    *_, said = await asyncio.gather(*rounds, person, return_exceptions=True)
    decided = await only_review(client, keys)
    if isinstance(said, ReviewDecided):
        assert (decided["state"], decided["decided_by"]) == ("stop", "prefsvc")
    else:
        assert said.state == decided["state"] == "dismissed"
    is_stopped = doubtful == "suppress" or decided["state"] == "stop"
    assert await may_text(client, keys) != is_stopped
    assert await count_of(service, "preference_event") == is_stopped


@pytest.mark.filterwarnings("ignore:a second connection:RuntimeWarning")
async def test_somebody_who_dismisses_it_a_moment_before_the_round_is_no_fault(
    client, keys, service, clock, monkeypatch
):
    await text(client)
    clock.move(days=4)
    found = loop.reviews.unanswered

    async def then_dismissed(*given, **more):
        rows = await found(*given, **more)
        brand = service.book.get("acme")
        for row in rows:
            await service.decide(brand, row.review_id, Answer("dismiss", "Carol"))
        return rows

    monkeypatch.setattr(loop.reviews, "unanswered", then_dismissed)
    faults = metrics.LOOP_FAULTS.labels("reviews")
    before = faults._value.get()
    await decide_unanswered(service)
    assert faults._value.get() == before
    assert (await only_review(client, keys))["decided_by"] == "Carol"


async def test_many_are_decided_a_piece_at_a_time_and_a_broken_one_holds_up_none(
    client, keys, service, clock, monkeypatch
):
    monkeypatch.setattr(loop, "AT_ONCE", 2)
    for number in range(5):
        await text(client, from_=f"+1202555013{number}")
        clock.move(minutes=1)
    first = (await listed(client, keys))[0]
    await service.database.pool.execute(
        "update review set decision = 'null', opt_out_id = null where review_id = $1",
        UUID(first["review_id"]),
    )
    clock.move(days=4)
    await decide_unanswered(service)
    states = await service.database.pool.fetch("select state from review order by asked_at")
    assert [row["state"] for row in states] == ["open"] + ["stop"] * 4


async def test_the_metrics_say_how_many_wait_and_for_how_long(client, keys, service, clock):
    await text(client)
    clock.move(hours=1)
    await text(client, from_="+12025550134")
    await decide_unanswered(service)
    assert metrics.OPEN_REVIEWS.labels("acme")._value.get() == 2
    assert 3600 <= metrics.OLDEST_REVIEW.labels("acme")._value.get() < 3660
    for review in await listed(client, keys):
        await decide(client, keys, review, "dismiss")
    await decide_unanswered(service)
    assert metrics.OPEN_REVIEWS.collect()[0].samples == []
    assert metrics.OLDEST_REVIEW.collect()[0].samples == []


@pytest.mark.parametrize("settings", [0.05], indirect=True)
async def test_the_running_service_does_it_by_itself(service, client, keys, clock):
    await apply_acme(service, doubtful="review")
    start = await (await client.get(FEED, headers=keys.texter)).json()
    await text(client)
    clock.move(days=4)
    params = {"after": start["cursor"], "wait": "30"}
    page = await (await client.get(FEED, headers=keys.texter, params=params)).json()
    assert [change["address"] for change in page["changes"]] == [ANNS_PHONE]
