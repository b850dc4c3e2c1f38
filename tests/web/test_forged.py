"""POST …/mails/forged: the operator's way to take forged mail back."""

from datetime import timedelta

import pytest

from prefsvc.work.floods import watch_floods
from tests.support.cast import ANN, BOB
from tests.support.register import act

EVIL = "203.0.113.9"


@pytest.fixture
async def claims(service, clock):
    """Two requests by mail that nobody vouches for, a minute ago."""
    clock.stop(service.now())
    await service.record(
        [
            act(
                service,
                address,
                brand=brand,
                source="mail_reply_unproven",
                evidence={"origin_host": EVIL},
                idempotency_key=f"mail:{address}",
            )
            for address, brand in ((ANN, "acme"), (BOB, "acme"), (ANN, "globex"))
        ]
    )
    clock.move(minutes=1)


@pytest.fixture
def ask(client, keys, service):
    async def ask(key="operator", *, brand="acme", **more):
        now = service.now()
        body = {
            "since": (now - timedelta(hours=1)).isoformat(),
            "until": now.isoformat(),
            "origin": EVIL,
        } | more
        reply = await client.post(
            f"/v1/brands/{brand}/mails/forged", headers=getattr(keys, key), json=body
        )
        return reply.status, await reply.json()

    return ask


@pytest.mark.usefixtures("claims")
async def test_it_lifts_what_they_put_and_the_check_says_so_at_once(ask, client, keys):
    assert await ask(dry_run=True) == (
        200, {"requests": 2, "lifted": 2, "kept": 0, "next": None},
    )  # fmt: skip
    body = {"channel": "email", "addresses": [ANN, BOB]}

    async def may_send():
        reply = await client.post("/v1/brands/acme/check", headers=keys.mailer, json=body)
        return [one["may_send"] for one in (await reply.json())["results"]]

    assert await may_send() == [False, False]
    status, done = await ask(note="one sentence to everybody")
    assert (status, done["lifted"]) == (200, 2)
    assert await may_send() == [True, True]


@pytest.mark.usefixtures("claims")
async def test_one_call_looks_at_so_many_and_says_where_to_go_on(ask, service):
    service.settings = service.settings.model_copy(update={"forged_at_once_max": 1})
    _, first = await ask()
    assert first["next"]
    _, second = await ask(after=first["next"])
    assert first["lifted"] + second["lifted"] == 2
    while second["next"]:
        _, second = await ask(after=second["next"])
        assert second["lifted"] == 0


@pytest.mark.usefixtures("claims")
@pytest.mark.parametrize("key", ["mailer", "globex_operator"])
async def test_nobody_but_the_brands_operator_may(ask, key):
    status, _ = await ask(key)
    assert status in {403, 404}


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"until": "2099-01-01T00:00:00Z"}, "invalid_time_span"),
        ({"until": "2001-01-01T00:00:00Z"}, "invalid_time_span"),
        ({"since": "yesterday"}, "invalid_body"),
        ({"note": " "}, "invalid_body"),
        ({"after": "1"}, "invalid_body"),
        ({"addresses": [ANN]}, "invalid_body"),
    ],
)
async def test_what_names_no_time_is_refused(ask, more, code):
    status, problem = await ask(**more)
    assert (status, problem["code"]) == (400 if code == "invalid_body" else 422, code)
    assert ANN not in str(problem)


@pytest.mark.usefixtures("claims")
async def test_a_flood_is_among_the_brands_alarms(ask, client, keys, service):
    service.settings = service.settings.model_copy(update={"mail_flood_size": 1})
    service.origins.add(service.book.get("acme").brand_id, EVIL, service.now())
    await watch_floods(service)
    reply = await client.get("/v1/brands/acme/alarms", headers=keys.operator)
    [told] = (await reply.json())["alarms"]
    assert (told["step"], told["sender"], told["origin"]) == ("mail_flood", None, EVIL)
    status, done = await ask(since=told["since"], origin=told["origin"])
    assert (status, done["lifted"]) == (200, 2)
