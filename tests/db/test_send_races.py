"""Reports at once, and a report beside the opt-out that it is about."""

import asyncio
from datetime import timedelta

import pytest

from prefsvc import cases, mailings, opt_outs, senders, sends, suppressions, verdict
from prefsvc.address import Address
from prefsvc.recipients import Recipient
from prefsvc.sends import Reported
from prefsvc.suppression import decide
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


def message(service, address, at, *, channel="email", **more):
    recipient = Recipient.of(Address.for_opt_out(channel, address), service.vault)
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


@pytest.mark.filterwarnings("ignore:a second connection:RuntimeWarning")
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


async def test_a_list_lacks_what_was_recorded_after_its_registration_whatever_a_clock_says(
    service, clock
):
    """The process that records is an hour behind the one that registered the mailing."""
    brand = service.book.get("acme")
    clock.stop(service.now())
    async with service.database.transaction() as tx:
        printer = await senders.add(tx, brand, "printer", "post")
        cursor = await suppressions.head(tx, brand)
        await mailings.register(tx, brand, printer, "catalogue", cursor)
    clock.move(hours=-1)
    [said] = await record(service, act(service, "household-7", channel="post"))
    clock.move(hours=1)
    async with service.database.transaction() as tx:
        await mailings.register(tx, brand, printer, "reprint", cursor)
    at = said.deadline_at + timedelta(days=1)
    clock.stop(at)
    letters = [
        message(service, "household-7", at, channel="post", mailing=name)
        for name in ("catalogue", "reprint")
    ]
    found = await reported(service, printer, *letters)
    assert [one.verdict.kind for one in found] == ["in_flight", "violation"]


async def test_a_long_history_is_judged_in_turns_with_everything_else(
    service, sender, clock, monkeypatch
):
    """Between two turns of the loop no more is replayed than a few histories of the common kind."""
    clock.stop(service.now())
    hours = [clock() - timedelta(days=90, hours=-number) for number in range(300)]
    await record(service, *[act(service, ANN, received_at=at) for at in hours])
    replayed = turned = longest = 0

    def counting(*given, **more):
        nonlocal replayed
        replayed += 1
        return decide(*given, **more)

    async def turn():
        nonlocal turned, longest
        while True:
            longest, turned = max(longest, replayed - turned), replayed
            await asyncio.sleep(0)

    monkeypatch.setattr(verdict, "decide", counting)
    turning = asyncio.create_task(turn())
    found = await reported(service, sender, *[message(service, ANN, at) for at in hours * 2])
    turning.cancel()
    assert {one.verdict.kind for one in found} == {"in_flight", "violation"}
    assert replayed > 10 * longest > 0
    assert longest < 2000


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
