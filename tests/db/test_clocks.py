"""Transactions that began in one order and were let in in another; clocks that disagree."""

import dataclasses

import pytest

from prefsvc import brands
from prefsvc.address import Address
from prefsvc.opt_outs import Act
from prefsvc.recipients import Recipient
from prefsvc.suppression import Scope
from tests.support.cast import ANN, acme


@pytest.fixture
def act(service):
    def made(source="one_click"):
        recipient = Recipient.of(Address.for_opt_out("email", ANN), service.vault)
        return Act(service.book.get("acme"), recipient, Scope("channel"), source, {"said": source})

    return made


async def test_the_same_said_by_a_transaction_that_began_earlier_is_one_opt_out(
    service, act, clock
):
    [first] = await service.record([act()])
    clock.move(seconds=-1)
    [again] = await service.record([act()])
    assert (again.event_id, again.deadline_at) == (first.event_id, first.deadline_at)
    assert not again.is_new
    assert await service.database.pool.fetchval("select count(*) from preference_event") == 1


async def test_a_stop_let_in_after_a_start_stops_whatever_the_clocks_say(service, act, clock):
    await service.record([act()])
    clock.move(seconds=1)
    await service.withdraw([act("preference_centre")])
    clock.move(seconds=-2)
    [again] = await service.record([act()])
    assert again.effect == "added"


async def test_a_brand_applied_by_a_clock_that_is_behind_is_seen(service, clock):
    clock.move(hours=-1)
    renamed = dataclasses.replace(acme(), name="Acme and Daughters")
    async with service.database.transaction() as tx:
        await brands.apply(tx, [renamed])
    await service.refresh_book()
    assert service.book.get("acme").brand.name == "Acme and Daughters"
