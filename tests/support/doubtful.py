"""Texting a brand something doubtful, and deciding what it meant, as people and operators do."""

from dataclasses import replace

from prefsvc import brands
from tests.sms.twilio_client import signed, sms
from tests.support.cast import ACMES_NUMBER, ANNS_PHONE, ORIGIN, TWILIO_TOKEN, acme
from tests.support.lists import ACME, check

HOOK = "/hooks/twilio/messages"
REVIEWS = f"{ACME}/reviews"
DOUBTFUL = "sorry, you have the wrong number"


async def text(client, body=DOUBTFUL, *, from_=ANNS_PHONE, **more):
    """Text acme."""
    form = sms(body, from_=from_, to=ACMES_NUMBER, **more)
    reply = await client.post(HOOK, data=form, headers=signed(ORIGIN + HOOK, form, TWILIO_TOKEN))
    assert reply.status == 200, await reply.text()
    return reply


async def may_text(client, keys, number=ANNS_PHONE):
    """Ask whether acme may text somebody."""
    [result] = await check(client, keys.texter, number)
    return result["may_send"]


async def apply_acme(service, **sms_settings):
    """Apply acme with other settings for its texts."""
    brand = acme()
    changed = replace(brand, sms=replace(brand.sms, **sms_settings))
    async with service.database.transaction() as tx:
        await brands.apply(tx, [changed])
    await service.refresh_book()


async def listed(client, keys, **params):
    """List acme's reviews."""
    reply = await client.get(REVIEWS, headers=keys.operator, params=params)
    assert reply.status == 200, await reply.text()
    return (await reply.json())["reviews"]


async def only_review(client, keys):
    """Return acme's one review, whole."""
    [review] = await listed(client, keys)
    reply = await client.get(f"{REVIEWS}/{review['review_id']}", headers=keys.operator)
    return await reply.json()


async def post_decision(client, keys, review, decision, **more):
    """Decide a review; return the whole answer."""
    url = f"{REVIEWS}/{review['review_id']}/decision"
    return await client.post(url, headers=keys.operator, json={"decision": decision} | more)


async def decide(client, keys, review, decision, **more):
    """Decide a review, which must go well."""
    reply = await post_decision(client, keys, review, decision, **more)
    assert reply.status == 200, await reply.text()
    return await reply.json()


async def opt_out(client, keys, opt_out_id):
    """Read an opt-out of acme."""
    reply = await client.get(f"{ACME}/opt-outs/{opt_out_id}", headers=keys.operator)
    return await reply.json()


async def count_of(service, table):
    """Count the rows of a table."""
    return await service.database.pool.fetchval(f"select count(*) from {table}")
