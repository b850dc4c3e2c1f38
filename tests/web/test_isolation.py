import re

import pytest

from prefsvc import api_keys
from prefsvc.web.routes import BRAND, ROUTES
from tests.support.cast import ANN, ANNS_PHONE
from tests.support.lists import ACME, problem, read_ndjson, say_stop, sha256

GLOBEX = "/v1/brands/globex"
NOBODYS = "7d1c2f0e-5b7e-4c58-9a36-2f8f0d4b1c55"
OF_A_BRAND = [
    (route.method, re.sub(r"{(?!brand})\w+}", NOBODYS, route.path))
    for route in ROUTES
    if route.path.startswith(BRAND)
]


def test_every_route_of_a_brand_is_tried():
    assert len(OF_A_BRAND) >= 12
    assert ("POST", f"{BRAND}/check") in OF_A_BRAND


async def ask(client, method, path, headers, brand):
    body = {"json": {}} if method == "POST" else {}
    return await client.request(method, path.replace("{brand}", brand), headers=headers, **body)


@pytest.mark.parametrize(("method", "path"), OF_A_BRAND)
@pytest.mark.parametrize("who", ["globex_operator", "globex_mailer"])
async def test_another_brands_key_is_refused_everywhere(client, keys, who, method, path):
    reply = await ask(client, method, path, getattr(keys, who), "acme")
    assert await problem(reply) == (403, "not_allowed")


@pytest.mark.parametrize(("method", "path"), OF_A_BRAND)
async def test_a_brand_that_is_not_there_looks_the_same(client, keys, method, path):
    there = await ask(client, method, path, keys.globex_operator, "acme")
    not_there = await ask(client, method, path, keys.globex_operator, "nobody")
    assert there.status == not_there.status
    assert await there.text() == await not_there.text()


@pytest.mark.parametrize(("method", "path"), OF_A_BRAND)
async def test_without_a_key_nothing_is_let_in(client, keys, method, path):
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp5"}):
        reply = await ask(client, method, path, headers, "acme")
        assert await problem(reply) == (401, "invalid_api_key")
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")


async def test_the_same_address_is_unknown_to_the_other_brand(client, keys):
    said = await say_stop(client, keys, ANN)
    checked = await client.post(
        f"{GLOBEX}/check", headers=keys.globex_mailer, json={"sha256": [sha256(ANN)]}
    )
    assert (await checked.json())["results"] == [{"may_send": True}]
    listed = await client.get(f"{GLOBEX}/suppressions", headers=keys.globex_mailer)
    assert read_ndjson(await listed.read())[0] == []
    fed = await (await client.get(f"{GLOBEX}/feed", headers=keys.globex_mailer)).json()
    assert (fed["changes"], fed["covers"]) == ([], [])
    found = await client.get(
        f"{GLOBEX}/opt-outs/{said['opt_out_id']}", headers=keys.globex_operator
    )
    assert await problem(found) == (404, "unknown_opt_out")
    kept = await client.get(f"{GLOBEX}/ledger/checkpoints", headers=keys.globex_operator)
    assert await kept.text() == ""
    named = await (await client.get(f"{GLOBEX}/senders", headers=keys.globex_operator)).json()
    assert [one["owed_count"] for one in named["senders"]] == [0]


async def test_brands_that_are_anothers_are_not_listed(client, keys):
    async def listed(headers):
        reply = await client.get("/v1/brands", headers=headers)
        return sorted(one["slug"] for one in (await reply.json())["brands"])

    assert await listed(keys.globex_mailer) == ["globex"]
    assert await listed(keys.operator) == ["acme"]
    assert await listed(keys.house) == ["acme", "globex"]


async def test_a_sender_reads_its_own_channel_alone(client, keys):
    said = await say_stop(client, keys, ANNS_PHONE, channel="sms")
    for path in ("feed", "suppressions"):
        reply = await client.get(f"{ACME}/{path}?channel=sms", headers=keys.mailer)
        assert await problem(reply) == (403, "not_allowed")
        reply = await client.get(f"{ACME}/{path}", headers=keys.mailer)
        assert ANNS_PHONE not in await reply.text()
    asked = {"sha256": [sha256(ANNS_PHONE)], "channel": "sms"}
    reply = await client.post(f"{ACME}/check", headers=keys.mailer, json=asked)
    assert await problem(reply) == (403, "not_allowed")
    one = f"{ACME}/opt-outs/{said['opt_out_id']}"
    assert (await client.get(one, headers=keys.texter)).status == 200
    assert await problem(await client.get(one, headers=keys.mailer)) == (404, "unknown_opt_out")


async def test_a_sender_passes_on_a_stop_for_any_channel_of_its_brand(client, keys):
    texts = {"channel": "sms", "address": ANNS_PHONE}
    body = {"channel": "email", "address": ANN, "also": [texts]}
    reply = await client.post(f"{ACME}/opt-outs", headers=keys.mailer, json=body)
    assert reply.status == 201
    asked = {"addresses": [ANNS_PHONE]}
    reply = await client.post(f"{ACME}/check", headers=keys.texter, json=asked)
    assert not (await reply.json())["results"][0]["may_send"]


async def test_what_a_person_wrote_is_for_operators(client, keys):
    said = await say_stop(client, keys, ANN, evidence={"letter": "please stop"})
    one = f"{ACME}/opt-outs/{said['opt_out_id']}"
    for headers, is_shown in ((keys.operator, True), (keys.mailer, False)):
        reply = await client.get(one, headers=headers)
        assert ("please stop" in await reply.text()) == is_shown


async def test_a_revoked_key_is_refused_at_once(client, keys, service):
    assert (await client.get(f"{ACME}/feed", headers=keys.mailer)).status == 200
    api_key_id = keys.mailer["Authorization"].split("_")[1]
    await service.revoke_key(api_key_id)
    reply = await client.get(f"{ACME}/feed", headers=keys.mailer)
    assert await problem(reply) == (401, "invalid_api_key")


async def revoked_elsewhere(service, keys):
    """Revoke the mailer's key as another process does, of which this one is not told."""
    async with service.database.transaction() as tx:
        await api_keys.revoke(tx, keys.mailer["Authorization"].split("_")[1])


async def test_a_key_that_another_process_revoked_is_refused_within_the_moment_it_is_believed(
    client, keys, service, monkeypatch
):
    async def status():
        return (await client.get(f"{ACME}/feed", headers=keys.mailer)).status

    at = service.callers.clock()
    monkeypatch.setattr(service.callers, "clock", lambda: at)
    assert await status() == 200
    await revoked_elsewhere(service, keys)
    at += service.settings.api_key_trusted_seconds - 0.001
    assert await status() == 200
    at += 0.001
    assert await status() == 401
    at -= 1
    assert await status() == 401


async def test_a_key_that_works_is_looked_up_once_in_a_while(client, keys, service, monkeypatch):
    at = service.callers.clock()
    monkeypatch.setattr(service.callers, "clock", lambda: at)
    await client.get(f"{ACME}/feed", headers=keys.mailer)
    await revoked_elsewhere(service, keys)
    presented = keys.mailer["Authorization"].removeprefix("Bearer ")
    at += 60
    assert service.callers.recent(presented).age_seconds == 60
    await client.get(f"{ACME}/feed", headers=keys.mailer)
    assert service.callers.recent(presented) is None


async def test_a_key_with_another_secret_is_refused(client, keys):
    presented = keys.mailer["Authorization"]
    other = presented[:-1] + ("A" if presented[-1] != "A" else "B")
    reply = await client.get(f"{ACME}/feed", headers={"Authorization": other})
    assert await problem(reply) == (401, "invalid_api_key")


async def test_no_secret_of_a_key_is_stored(keys, service):
    stored = await service.database.pool.fetch("select k::text as row from api_key as k")
    secret = keys.mailer["Authorization"].split("_", 2)[2]
    assert stored
    assert not any(secret in row["row"] for row in stored)


@pytest.mark.parametrize("path", ["ledger/checkpoints", "senders"])
async def test_a_sender_is_no_operator(client, keys, path):
    reply = await client.get(f"{ACME}/{path}", headers=keys.mailer)
    assert await problem(reply) == (403, "not_allowed")
