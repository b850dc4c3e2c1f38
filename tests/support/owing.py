"""What senders owe, reckoned row by row, to hold the sums against."""

from prefsvc import feeds, senders, suppressions, tallies
from prefsvc.cursor import Cursor
from prefsvc.db.connection import Tx
from prefsvc.standing import Owed

ROW_BY_ROW = """
select count(*), min(received_at + (deadline_at - received_at) * 0.5),
    min(received_at + (deadline_at - received_at) * 0.8),
    min((deadline ->> 'target_at')::timestamptz), min(deadline_at)
from preference_event as e
join feed_head as h using (bucket, brand_id)
where brand_id = $1 and channel = $2 and effect = 'added'
    and e.position > ($3::bigint[])[bucket + 1]
"""


async def acknowledged(tx: Tx, service, slug) -> senders.Sender:
    return await senders.find(tx, service.book.get("acme"), slug)


async def owed_row_by_row(service, slug):
    """Reckon what acme's sender owes, without tallies or anything remembered."""
    brand = service.book.get("acme")
    async with service.database.read() as tx:
        sender = await acknowledged(tx, service, slug)
        end = await suppressions.head(tx, brand)
        after = sender.known(end.epoch) or Cursor.start(end.epoch, brand.brand_id)
        row = await tx.conn.fetchrow(
            ROW_BY_ROW, brand.brand_id, sender.channel, list(after.positions)
        )
    return Owed(*row)


async def owed_by_all(service, memo):
    """Ask a memo what each of acme's senders owes; by the sender's name."""
    brand = service.book.get("acme")
    async with service.database.read() as tx:
        every = await senders.every(tx, brand)
        end = await suppressions.head(tx, brand)
        owed = await memo.owed_by(tx, brand, every, end)
    return {sender.slug: one for sender, one in zip(every, owed, strict=True)}


async def add_sender(service, slug, channel="email"):
    async with service.database.transaction() as tx:
        return await senders.add(tx, service.book.get("acme"), slug, channel)


async def acknowledge_part(service, slug, choose):
    """Acknowledge for acme's sender some of what it owes: all of it, or any part."""
    brand = service.book.get("acme")
    async with service.database.transaction() as tx:
        sender = await acknowledged(tx, service, slug)
        end = await suppressions.head(tx, brand)
        start = sender.known(end.epoch) or Cursor.start(end.epoch, brand.brand_id)
        positions = tuple(
            choose.choice([last, choose.randint(first, last)])
            for first, last in zip(start.positions, end.positions, strict=True)
        )
        cursor = Cursor(end.epoch, brand.brand_id, positions)
        await feeds.acknowledge(tx, brand, sender.sender_id, cursor)


async def tally(service, reached=None):
    """Tally what is complete, in one round."""
    async with service.database.transaction() as tx:
        return await tallies.make(tx, reached or tallies.Reached())
