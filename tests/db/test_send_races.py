"""Reports at once, and a report beside the opt-out that it is about."""

import asyncio
from datetime import timedelta

import pytest

from prefsvc import cases, opt_outs, senders, sends
from prefsvc.address import Address
from prefsvc.recipients import Recipient
from prefsvc.sends import Reported
from prefsvc.violations import Report
from tests.support.cast import ANN, BOB
from tests.support.register import act, record

COUNTS = """
select (select count(*) from violation) as violations,
    (select count(*) from honour_case) as cases,
    (select sum(violation_count)::int from honour_case) as counted,
    (select count(*) from alarm where step = 'violation') as alarms
"""


@pytest.fixture
async def sender(service):
    async with service.database.transaction() as tx:
        return await senders.add(tx, service.book.get("acme"), "mailer", "email")


@pytest.fixture
async def late(service, clock):
    """A moment after the deadlines of Ann and Bob; it is later still."""
    clock.stop(service.now())
    made = await record(service, act(service, ANN), act(service, BOB))
    at = max(one.deadline_at for one in made) + timedelta(days=1)
    clock.stop(at + timedelta(days=1))
    return at


def message(service, address, at, **more):
    recipient = Recipient.of(Address.for_opt_out("email", address), service.vault)
    more = {"topic": None, "message_class": None, "mailing": None} | more
    return Reported(recipient.address_key, at, **more)


async def add(tx, service, sender, *messages):
    report = Report(service.book.get("acme"), sender)
    return await sends.add(tx, report, messages, latest=tx.now)


async def reported(service, sender, *messages):
    async with service.database.transaction() as tx:
        return await add(tx, service, sender, *messages)


async def test_the_same_violation_in_twenty_reports_is_one_violation_one_case_one_alarm(
    service, sender, late
):
    found = await asyncio.gather(
        *[reported(service, sender, message(service, ANN, late)) for _ in range(20)]
    )
    assert len({one.case_id for [one] in found}) == 1
    assert tuple(await service.database.pool.fetchrow(COUNTS)) == (1, 1, 1, 1)


async def test_violations_in_other_orders_wait_for_each_other_and_none_is_lost(
    service, sender, late
):
    def of(number):
        messages = [
            message(service, address, late + n * timedelta(seconds=1))
            for address in (ANN, BOB)
            for n in range(3)
        ]
        return messages[number % 6 :] + messages[: number % 6]

    await asyncio.gather(*[reported(service, sender, *of(number)) for number in range(12)])
    assert tuple(await service.database.pool.fetchrow(COUNTS)) == (6, 1, 6, 1)


async def test_a_report_that_fails_leaves_neither_violation_nor_case_nor_alarm(
    service, sender, late
):
    class BrokeOffError(Exception):
        pass

    async def break_off():
        async with service.database.transaction() as tx:
            await add(tx, service, sender, message(service, ANN, late))
            raise BrokeOffError

    with pytest.raises(BrokeOffError):
        await break_off()
    assert tuple(await service.database.pool.fetchrow(COUNTS)) == (0, 0, None, 0)
    assert await service.database.pool.fetchval("select count(*) from send_report") == 0


async def test_a_report_beside_an_opt_out_that_commits_is_judged_by_what_was_said_before(
    service, sender, clock
):
    clock.stop(service.now())
    received = clock() - timedelta(days=60)
    sent_at = clock() - timedelta(days=1)
    async with service.database.transaction() as writing:
        await opt_outs.record(writing, service.vault, [act(service, ANN, received_at=received)])
        [before] = await reported(service, sender, message(service, ANN, sent_at))
    [after] = await reported(service, sender, message(service, ANN, sent_at))
    assert (before.verdict.kind, after.verdict.kind) == ("clear", "violation")


async def test_a_violation_beside_the_resolution_of_its_case_is_in_one_case_or_a_new_one(
    service, sender, late
):
    brand = service.book.get("acme")
    [first] = await reported(service, sender, message(service, ANN, late))

    async def resolve():
        async with service.database.transaction() as tx:
            return await cases.resolve(
                tx, brand, first.case_id, by="a test", cause="An old list.", text=None
            )

    again = message(service, BOB, late)
    resolved, [second] = await asyncio.gather(resolve(), reported(service, sender, again))
    async with service.database.read() as tx:
        page = await cases.page(tx, brand, size=10)
    assert {one.case_id for one in page} == {first.case_id, second.case_id}
    assert sum(one.violation_count for one in page) == 2
    assert resolved.case_id == first.case_id
