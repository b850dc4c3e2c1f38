"""Making endpoints, and reading what became of what went there."""

from prefsvc import deliveries, endpoints
from prefsvc.deliveries import Notice
from tests.support.lists import ACME

ENDPOINTS = f"{ACME}/endpoints"


async def add_endpoint(client, headers, **body):
    """Add an endpoint; return the answer, with its secret."""
    reply = await client.post(ENDPOINTS, headers=headers, json={"events": ["alarm"]} | body)
    assert reply.status == 201, await reply.text()
    return await reply.json()


async def log_of(client, headers, endpoint, **asked):
    """Read an endpoint's log, the newest first."""
    url = f"{ENDPOINTS}/{endpoint['endpoint_id']}/deliveries"
    reply = await client.get(url, headers=headers, params=asked)
    assert reply.status == 200, await reply.text()
    return (await reply.json())["deliveries"]


async def send(service, *, kind="alarm", notice_type="alarm.half", count=1, slug="acme", **data):
    """Put notices on their way, as an alarm does; return the ids."""
    async with service.database.transaction() as tx:
        brand = service.book.get(slug)
        to = await endpoints.listening(tx, brand.brand_id, kind, None)
        ids = [
            one
            for number in range(count)
            for one in await deliveries.enqueue(
                tx, to, Notice(notice_type, tx.now, {"number": number} | data)
            )
        ]
    service.enqueued.set()
    return [str(one) for one in ids]
