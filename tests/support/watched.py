"""Senders of acme and what is known of their alarms, by its rules and without HTTP."""

from prefsvc import endpoints, feeds, senders, suppressions
from prefsvc.endpoints import Wanted
from prefsvc.work.alarms import raise_alarms


async def add_sender(service, slug="mailer", *, channel="email", has_heard=True):
    """Add a sender, which has acknowledged all there is unless told otherwise."""
    async with service.database.transaction() as tx:
        await senders.add(tx, service.book.get("acme"), slug, channel)
    if has_heard:
        await catch_up(service, slug)


async def catch_up(service, slug="mailer"):
    """Acknowledge all that is in the feed."""
    brand = service.book.get("acme")
    async with service.database.transaction() as tx:
        sender = await senders.find(tx, brand, slug)
        await feeds.acknowledge(tx, brand, sender.sender_id, await suppressions.head(tx, brand))


async def add_endpoint(service, *events, sender=None, with_addresses=False):
    """Add a webhook that is told of these events; nobody listens behind it."""
    brand = service.book.get("acme")
    async with service.database.transaction() as tx:
        sender_id = (await senders.find(tx, brand, sender)).sender_id if sender else None
        wanted = Wanted("webhook", "https://hooks.example.com/", events, sender_id, with_addresses)
        made, _ = await endpoints.add(tx, service.vault, service.settings, brand, wanted)
    return made


async def rounds(service, count=1):
    """Look at every sender's clock, this many times."""
    for _ in range(count):
        await raise_alarms(service)


async def raised(service):
    """Return the alarms there are, the oldest first: sender and step."""
    rows = await service.database.pool.fetch(
        "select details from alarm order by raised_at, alarm_id"
    )
    return [(row["details"]["sender"], row["details"]["step"]) for row in rows]


async def notices(service):
    """Return the notices that are on their way or arrived: the type and data of each."""
    rows = await service.database.pool.fetch(
        "select type, data from delivery order by created_at, delivery_id"
    )
    return [(row["type"], row["data"]) for row in rows]
