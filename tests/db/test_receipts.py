"""The queue of receipts under races: one turn for an address, one endpoint for a brand."""

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace

from prefsvc import endpoints, opt_outs, receipts
from prefsvc.act import Act
from prefsvc.address import Address
from prefsvc.mail.answering import Letter
from prefsvc.recipients import Recipient
from prefsvc.suppression import Scope

WEEK = timedelta(days=7)
PEOPLE = [f"person{number}@example.org" for number in range(12)]


@pytest.fixture
def act_by_mail(service):
    def made(address, slug="acme"):
        return Act(
            service.book.get(slug),
            Recipient.of(Address.for_opt_out("email", address), service.vault),
            Scope("channel"),
            "mail_reply",
            {},
            letter=Letter(address),
        )

    return made


async def record(service, acts):
    """Record acts of many mails in one transaction, and put their receipts on their way."""
    async with service.database.transaction() as tx:
        recorded = await opt_outs.record(tx, service.vault, acts)
        return await receipts.enqueue(tx, service.vault, acts, recorded, every=WEEK)


async def test_transactions_over_many_people_and_brands_never_wait_in_a_circle(
    service, act_by_mail
):
    batches = [
        [act_by_mail(one, slug) for one in people for slug in slugs]
        for people, slugs in zip(
            [PEOPLE, PEOPLE[::-1]] * 6, [["acme", "globex"], ["globex", "acme"]] * 6, strict=True
        )
    ]
    counts = await asyncio.gather(*(record(service, batch) for batch in batches))
    assert sum(counts) == len(PEOPLE)
    turns = "select count(*) from receipt"
    assert await service.database.pool.fetchval(turns) == len(PEOPLE)


async def test_a_brand_has_one_endpoint_for_them_whoever_is_first(service):
    async def first():
        async with service.database.transaction() as tx:
            return (await endpoints.of_receipts(tx, service.book.get("acme"))).endpoint_id

    assert len(set(await asyncio.gather(*(first() for _ in range(8))))) == 1


async def test_a_turn_that_is_rolled_back_was_not_taken(service, act_by_mail):
    acts = [act_by_mail(PEOPLE[0])]

    async def breaks_off():
        async with service.database.transaction() as tx:
            recorded = await opt_outs.record(tx, service.vault, acts)
            assert await receipts.enqueue(tx, service.vault, acts, recorded, every=WEEK) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await breaks_off()
    assert await record(service, acts) == 1


async def test_of_one_mail_that_several_callers_bring_at_once_there_is_one(service, act_by_mail):
    same = replace(act_by_mail(PEOPLE[0]), idempotency_key="mail:1")
    assert await record(service, [same, same, same]) == 1
    assert await record(service, [same]) == 0


async def test_what_no_letter_said_has_none(service, act_by_mail):
    assert await record(service, [replace(act_by_mail(PEOPLE[0]), letter=None)]) == 0
