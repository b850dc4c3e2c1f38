"""Nobody asks too much, and opt-outs come first."""

import asyncio

import pytest

from prefsvc import app, links
from prefsvc.links import Link
from prefsvc.web import manners
from prefsvc.web.routes import ROUTES
from tests.support.cast import ANN
from tests.support.lists import ACME, problem

STRANGER = {"X-Forwarded-For": "203.0.113.7"}
QUOTA = 5
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def settings(settings):
    limits = {
        "requests_per_key_per_minute_max": QUOTA,
        "requests_per_address_per_minute_max": QUOTA,
    }
    return settings.model_copy(update=limits)


@pytest.fixture
def link(service):
    def made(address):
        return f"/u/{links.seal(service.book.keyring.key('acme'), Link('email', address))}"

    return made


async def statuses(asking, count):
    return [(await asking()).status for _ in range(count)]


async def test_a_key_has_its_requests_in_a_minute_and_is_told_how_many(client, keys):
    def ask():
        return client.get(f"{ACME}/feed", headers=keys.mailer | STRANGER)

    first = await ask()  # its address pays for a key that nobody knows yet
    assert first.headers["RateLimit-Policy"] == f'"address";q={QUOTA};w=60'
    second = await ask()
    assert second.headers["RateLimit-Policy"] == f'"key";q={QUOTA};w=60'
    assert second.headers["RateLimit"].startswith(f'"key";r={QUOTA - 2};t=')
    assert await statuses(ask, QUOTA - 2) == [200] * (QUOTA - 2)
    reply = await ask()
    assert await problem(reply) == (429, "too_many_requests")
    assert 1 <= int(reply.headers["Retry-After"]) <= 60 // QUOTA
    assert reply.headers["RateLimit"].startswith('"key";r=0;t=')
    # It is that key's own affair.
    assert (await client.get(f"{ACME}/feed", headers=keys.texter | STRANGER)).status == 200


async def test_keys_that_are_made_up_are_counted_for_who_makes_them_up(client):
    async def guess():
        guess.count += 1
        made_up = {"Authorization": f"Bearer psk_{guess.count:012d}_{'x' * 43}"}
        return await client.get(f"{ACME}/feed", headers=made_up | STRANGER)

    guess.count = 0
    assert await statuses(guess, QUOTA + 2) == [401] * QUOTA + [429] * 2


async def test_addresses_are_counted_apart_and_what_a_proxy_leaves_out_is_not(client):
    async def ask(address=None):
        headers = {"X-Forwarded-For": address} if address else {}
        return (await client.get("/docs", headers=headers)).status

    assert [await ask("203.0.113.7") for _ in range(QUOTA + 1)] == [200] * QUOTA + [429]
    assert await ask("203.0.113.8") == 200
    assert await ask("203.0.113.8, 203.0.113.7") == 429  # the left one is anybody's word
    assert [await ask() for _ in range(QUOTA + 1)] == [200] * (QUOTA + 1)


async def test_no_opt_out_is_refused_for_its_rate(client, keys, link):
    path = link("ann@example.com")
    body = {"channel": "email", "address": ANN}

    async def click():
        return await client.post(path, data=ONE_CLICK, headers=STRANGER)

    async def say():
        return await client.post(f"{ACME}/opt-outs", json=body, headers=keys.operator | STRANGER)

    assert await statuses(lambda: client.get(path, headers=STRANGER), QUOTA + 1) == [
        *[200] * QUOTA,
        429,
    ]
    assert await statuses(click, 2 * QUOTA) == [200] * 2 * QUOTA
    assert set(await statuses(say, 2 * QUOTA)) <= {200, 201}
    assert "RateLimit" not in (await click()).headers
    # And they took nothing from what else the caller may ask.
    assert (await client.get(f"{ACME}/opt-outs/none", headers=keys.operator)).status == 404


async def test_a_page_that_is_asked_for_too_often_says_so_as_a_page(client, link):
    path = link("ann@example.com")
    await statuses(lambda: client.get(path, headers=STRANGER), QUOTA)
    reply = await client.get(path, headers=STRANGER)
    assert (reply.status, reply.content_type) == (429, "text/html")
    assert int(reply.headers["Retry-After"]) >= 1


async def test_health_is_never_refused(client):
    for path in ("/livez", "/readyz", "/metrics"):
        asked = await statuses(lambda path=path: client.get(path, headers=STRANGER), QUOTA + 2)
        assert set(asked) == {200}


async def test_above_the_bound_whoever_comes_last_is_told_to_come_later(
    service, aiohttp_client, keys
):
    service.settings = service.settings.model_copy(
        update={
            "rest_at_once_max": 1, "requests_waiting_max": 1,
            "requests_per_key_per_minute_max": 1000,
        }
    )  # fmt: skip
    client = await aiohttp_client(app.build(service))
    gate = client.app[manners.MANNERS].gates["rest"]
    async with gate:
        waiting = asyncio.create_task(client.get("/v1/brands", headers=keys.operator))
        while not gate.places.waiting:  # noqa: ASYNC110
            await asyncio.sleep(0)
        reply = await client.get("/v1/brands", headers=keys.operator)
        assert await problem(reply) == (503, "too_busy")
        assert int(reply.headers["Retry-After"]) >= 1
        body = {"channel": "email", "address": ANN}
        said = await client.post(f"{ACME}/opt-outs", json=body, headers=keys.operator)
        assert said.status == 201
    assert (await waiting).status == 200


INTAKE = {
    ("POST", "/u/{token}"),
    ("POST", "/v1/brands/{brand}/opt-outs"),
    ("POST", "/v1/brands/{brand}/mails"),
    ("POST", "/v1/brands/{brand}/mails/mime"),
}
HEALTH = {("GET", "/livez"), ("GET", "/readyz"), ("GET", "/metrics")}


def test_opt_outs_and_health_come_first_and_nothing_else():
    first = {
        (route.method, route.path)
        for route in ROUTES
        if manners.lane_of(route.method, route.path) == "intake"
    }
    assert first == INTAKE | HEALTH
    hooks = ("/hooks/twilio/messages", "/hooks/telnyx/events", "/hooks/mail/{provider}/{source}")
    assert {manners.lane_of("POST", hook) for hook in hooks} == {"intake"}
