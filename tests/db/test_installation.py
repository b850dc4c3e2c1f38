import asyncio
import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from prefsvc import installation
from prefsvc.errors import OtherSecrets
from prefsvc.work import loops
from tests.support.cast import ANN
from tests.support.lists import ACME, problem, say_stop


async def recognise(service, vault=None):
    async with service.database.transaction() as tx:
        return await installation.recognise(tx, vault or service.vault)


async def move_to_another_history(service):
    await service.database.pool.execute("update installation set server_history = 'another/1'")


async def test_every_start_recognises_the_same_installation(service):
    assert await recognise(service) == await recognise(service) == service.installation


async def test_many_first_starts_at_once_found_one(service):
    await service.database.pool.execute("delete from installation")
    found = await asyncio.gather(*[recognise(service) for _ in range(8)])
    assert len(set(found)) == 1
    assert found[0] != service.installation


async def test_another_history_begins_a_new_epoch_once(service):
    await move_to_another_history(service)
    found = await asyncio.gather(*[recognise(service) for _ in range(8)])
    assert len(set(found)) == 1
    assert found[0].feed_epoch != service.installation.feed_epoch
    assert found[0].installation_id == service.installation.installation_id


async def test_a_cursor_of_another_history_is_refused_and_never_reread(service, client, keys):
    await say_stop(client, keys, ANN)
    page = await (await client.get(f"{ACME}/feed", headers=keys.mailer)).json()
    await move_to_another_history(service)
    await loops.history(service)()
    reply = await client.get(f"{ACME}/feed", headers=keys.mailer, params={"after": page["cursor"]})
    assert await problem(reply) == (409, "cursor_from_another_history")
    anew = await (await client.get(f"{ACME}/feed", headers=keys.mailer)).json()
    assert anew["changes"] == page["changes"]
    assert anew["cursor"] != page["cursor"]


async def test_another_pepper_is_refused(service):
    other = replace(service.vault, pepper=hashlib.sha256(b"another").digest())
    with pytest.raises(OtherSecrets, match="another pepper"):
        await recognise(service, other)


async def test_another_ledger_key_is_refused(service):
    other = replace(service.vault, signing_key=Ed25519PrivateKey.generate())
    with pytest.raises(OtherSecrets, match="another ledger key"):
        await recognise(service, other)


async def test_a_database_emptied_by_hand_is_a_fault(service):
    await service.database.pool.execute("delete from installation")
    async with service.database.read() as tx:
        with pytest.raises(LookupError, match="emptied by hand"):
            await installation.feed_epoch(tx)
