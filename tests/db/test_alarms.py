import asyncio
from datetime import timedelta

import pytest

from prefsvc import alarms, app, installation, senders
from prefsvc.db.connection import single
from prefsvc.doors import Service
from prefsvc.metrics import LOOP_FAULTS
from tests.support.cast import ANN, ANNS_PHONE, BOB
from tests.support.register import act, record
from tests.support.watched import add_endpoint, add_sender, catch_up, notices, raised, rounds

AT_ONCE = 10


async def stop(service, address=ANN, **more):
    [made] = await record(service, act(service, address, **more))
    return made


async def case_rows(service):
    return await service.database.pool.fetch(
        "select case_id, kind, recovered_at, evidence from honour_case order by opened_at"
    )


async def test_each_step_is_told_once_and_not_before_it_passes(service, clock):
    await add_sender(service, channel="sms")
    made = await stop(service, ANNS_PHONE, channel="sms")
    window = made.deadline_at - made.received_at
    told = []
    for step, at in (
        ("half", made.received_at + window / 2),
        ("four_fifths", made.received_at + window * 0.8),
        ("overdue", made.deadline_at),
    ):
        clock.stop(at - timedelta(milliseconds=1))
        await rounds(service, 2)
        assert step not in told
        clock.stop(at + timedelta(milliseconds=1))
        await rounds(service, 3)
        told = [one for _, one in await raised(service)]
        assert told.count(step) == 1, step
    assert sorted(told) == sorted(set(told))


async def test_the_target_has_an_alarm_of_its_own(service, clock):
    await add_sender(service)
    made = await stop(service)
    clock.stop(made.received_at + timedelta(days=5, seconds=1))
    await rounds(service)
    [(_, step)] = await raised(service)
    assert step == "target"
    [details] = await service.database.pool.fetchval("select array_agg(details) from alarm")
    assert details["passed"] == ["half", "target"]
    assert details["state"] == "past_target"


async def test_a_late_round_raises_one_alarm_for_the_gravest_that_passed(service, clock):
    await add_endpoint(service, "alarm")
    await add_sender(service)
    await stop(service)
    await stop(service, BOB)
    clock.move(days=60)
    await rounds(service, 3)
    assert await raised(service) == [("mailer", "overdue")]
    [(kind, data)] = await notices(service)
    assert kind == "alarm.overdue"
    assert data["passed"] == ["half", "four_fifths", "target", "overdue"]
    assert (data["owed_count"], data["state"]) == (2, "overdue")
    assert "stop its mailings" in data["detail"]


async def test_nothing_is_raised_while_nothing_has_passed(service):
    await add_sender(service)
    await stop(service)
    await rounds(service, 3)
    assert await raised(service) == []


async def test_any_number_of_processes_raise_one_alarm(service, clock, database_url):
    await add_endpoint(service, "alarm")
    for slug in ("mailer", "second", "third"):
        await add_sender(service, slug)
    await stop(service)
    async with app.opened(service.settings, service.vault, database_url, clock=clock) as another:
        clock.move(days=60)
        await asyncio.gather(*(rounds(one) for one in [service, another] * AT_ONCE))
        await rounds(another)
    expected = [("mailer", "overdue"), ("second", "overdue"), ("third", "overdue")]
    assert sorted(await raised(service)) == expected
    assert len(await notices(service)) == len(await case_rows(service)) == 3


async def test_processes_whose_clocks_are_apart_raise_one_alarm_and_no_recovery(
    service, clock, database_url
):
    await add_sender(service)
    made = await stop(service)

    def behind():
        return clock() - timedelta(seconds=2)

    async with app.opened(service.settings, service.vault, database_url, clock=behind) as late:
        for step_at in (made.received_at + timedelta(days=5), made.deadline_at):
            clock.stop(step_at + timedelta(seconds=1))
            for _ in range(3):
                await rounds(service)
                await rounds(late)
        assert [step for _, step in await raised(service)] == ["target", "overdue"]
        [case] = await case_rows(service)
        assert case["recovered_at"] is None
        clock.move(minutes=1)
        await catch_up(late)
        await rounds(late)
        await rounds(service)
    assert [step for _, step in await raised(service)] == ["target", "overdue", "recovery"]


class PulledPlugError(Exception):
    """The process ends here."""


async def watch_and_die(service):
    brand = service.book.get("acme")
    async with service.database.transaction() as tx:
        sender = await senders.find(tx, brand, "mailer")
        assert await alarms.watch(tx, service.obligations, brand, sender) == "overdue"
        raise PulledPlugError


async def test_what_breaks_off_raises_nothing_and_the_next_round_all_of_it(service, clock):
    await add_endpoint(service, "alarm")
    await add_sender(service)
    await stop(service)
    clock.move(days=60)
    with pytest.raises(PulledPlugError):
        await watch_and_die(service)
    assert (await raised(service), await notices(service)) == ([], [])
    assert await case_rows(service) == []
    await rounds(service)
    assert await raised(service) == [("mailer", "overdue")]
    assert len(await notices(service)) == len(await case_rows(service)) == 1


async def test_recovery_is_told_once_and_trouble_after_it_anew(service, clock):
    await add_sender(service)
    await stop(service)
    clock.move(days=60)
    await rounds(service)
    await catch_up(service)
    await rounds(service, 3)
    assert await raised(service) == [("mailer", "overdue"), ("mailer", "recovery")]
    await stop(service, BOB)
    await rounds(service)
    clock.move(days=60)
    await rounds(service, 2)
    assert [step for _, step in await raised(service)] == ["overdue", "recovery", "overdue"]


async def test_half_a_recovery_is_none(service, clock):
    """Something is still late, so the spell goes on, without another alarm."""
    await add_sender(service)
    await stop(service)
    clock.move(days=6)
    await rounds(service)
    await catch_up(service)
    await stop(service, BOB, received_at=service.now() - timedelta(days=6))
    await rounds(service, 2)
    assert await raised(service) == [("mailer", "target")]


async def test_who_is_overdue_again_is_told_again_though_never_wholly_in_order(service, clock):
    """Clearance that is back ends the spell, though another opt-out is past its target."""
    await add_sender(service)
    await stop(service, received_at=service.now() - timedelta(days=11))
    await rounds(service)
    await catch_up(service)
    await stop(service, BOB, received_at=service.now() - timedelta(days=6))
    await rounds(service, 2)
    clock.move(days=5)
    await rounds(service, 2)
    steps = [step for _, step in await raised(service)]
    assert steps == ["overdue", "recovery", "overdue"]
    [case] = await case_rows(service)
    assert case["recovered_at"] is None


async def test_one_catching_up_in_parts_is_one_recovery(service, clock):
    await add_sender(service)
    await stop(service, received_at=service.now() - timedelta(days=11))
    await rounds(service)
    await catch_up(service)
    await stop(service, BOB, received_at=service.now() - timedelta(days=6))
    await rounds(service)
    await catch_up(service)
    await rounds(service, 2)
    assert [step for _, step in await raised(service)] == ["overdue", "recovery"]
    await stop(service, "carol@example.org")
    clock.move(days=6)
    await rounds(service, 2)
    assert [step for _, step in await raised(service)] == ["overdue", "recovery", "target"]


async def test_a_sender_that_is_overdue_has_a_case_with_its_evidence(service, clock):
    await add_sender(service)
    made = await stop(service)
    clock.move(days=5)
    await stop(service, BOB)
    clock.move(days=55)
    await rounds(service, 2)
    [case] = await case_rows(service)
    assert (case["kind"], case["recovered_at"]) == ("overdue", None)
    evidence = case["evidence"]
    assert evidence["opt_out_id"] == str(made.event_id)
    assert evidence["owed_count"] == 2
    assert evidence["deadline"]
    assert evidence["acknowledged_at"]
    assert "@" not in str(evidence)
    await catch_up(service)
    await rounds(service)
    [case] = await case_rows(service)
    assert case["recovered_at"]


async def test_a_sender_that_never_acknowledged_has_one_window_from_its_beginning(service, clock):
    await stop(service, received_at=service.now() - timedelta(days=300))
    await add_sender(service, has_heard=False)
    await rounds(service)
    assert await raised(service) == []
    clock.move(days=60)
    await rounds(service)
    assert await raised(service) == [("mailer", "overdue")]


async def restore(service):
    async with service.database.transaction() as tx:
        [history] = await tx.conn.fetchrow("select server_history from installation")
        await installation.begin_epoch(tx, previous_history=history, history="another/1")


async def test_a_restored_register_is_no_recovery(service, clock):
    await add_sender(service)
    await stop(service)
    clock.move(days=60)
    await rounds(service)
    await restore(service)
    await rounds(service, 2)
    assert await raised(service) == [("mailer", "overdue")]
    await catch_up(service)
    await rounds(service)
    assert await raised(service) == [("mailer", "overdue"), ("mailer", "recovery")]


async def test_who_was_overdue_is_so_again_when_its_grace_after_a_restore_is_over(service, clock):
    await add_sender(service)
    await stop(service)
    clock.move(days=60)
    await rounds(service)
    await restore(service)
    await rounds(service)
    clock.move(days=60)
    await rounds(service, 3)
    steps = [step for _, step in await raised(service)]
    assert steps == ["overdue", "overdue"]
    [case] = await case_rows(service)
    assert case["recovered_at"] is None
    await catch_up(service)
    await rounds(service, 2)
    assert [step for _, step in await raised(service)] == [*steps, "recovery"]


async def test_what_is_owed_on_another_channel_is_no_reason(service, clock):
    await add_sender(service)
    await add_sender(service, "texter", channel="sms")
    await stop(service, ANNS_PHONE, channel="sms")
    clock.move(days=60)
    await rounds(service)
    assert await raised(service) == [("texter", "overdue")]


async def test_a_sender_whose_alarm_fails_holds_up_no_other(service, clock, database_url):
    await add_sender(service, "mailer")
    await add_sender(service, "second")
    await stop(service)
    clock.move(days=60)
    before = LOOP_FAULTS.labels("alarms")._value.get()
    hasty = service.settings.model_copy(update={"lock_timeout_seconds": 0.1})
    async with (
        single(database_url) as conn,
        app.opened(hasty, service.vault, database_url, clock=clock) as another,
    ):
        async with conn.transaction():
            # Its case cannot be written while this is held.
            await conn.execute("select 1 from sender where slug = 'mailer' for update")
            await rounds(another)
            assert await raised(service) == [("second", "overdue")]
            assert LOOP_FAULTS.labels("alarms")._value.get() == before + 1
        await rounds(another)
    assert ("mailer", "overdue") in await raised(service)


async def test_a_sender_that_another_process_has_in_hand_is_passed_over(
    service, clock, database_url
):
    await add_sender(service)
    await stop(service)
    clock.move(days=6)
    await rounds(service)
    clock.move(days=60)
    async with single(database_url) as conn, conn.transaction():
        await conn.execute("select 1 from sender_watch for update")
        async with asyncio.timeout(8):
            await rounds(service)
        assert len(await raised(service)) == 1
    await rounds(service)
    assert len(await raised(service)) == 2


async def test_only_endpoints_that_asked_for_it_are_told(service, clock):
    await add_sender(service)
    await add_sender(service, "second")
    everybodys = await add_endpoint(service, "alarm")
    own = await add_endpoint(service, "alarm", sender="mailer")
    await add_endpoint(service, "suppression", sender="mailer")
    await stop(service)
    clock.move(days=60)
    await rounds(service)
    rows = await service.database.pool.fetch(
        "select endpoint_id, data ->> 'sender' as sender from delivery where type like 'alarm.%'"
    )
    assert {(row["endpoint_id"], row["sender"]) for row in rows} == {
        (everybodys.endpoint_id, "mailer"),
        (everybodys.endpoint_id, "second"),
        (own.endpoint_id, "mailer"),
    }


async def test_senders_of_a_retired_brand_are_left_alone(service: Service, clock):
    await add_sender(service)
    await stop(service)
    await service.database.pool.execute(
        "update brand set retired_at = $1 where slug = 'acme'", service.now()
    )
    await service.refresh_book()
    clock.move(days=60)
    await rounds(service)
    assert await raised(service) == []


async def test_a_violation_case_is_told_once(service):
    await add_endpoint(service, "alarm")
    await add_sender(service)
    brand = service.book.get("acme")
    async with service.database.transaction() as tx:
        sender = await senders.find(tx, brand, "mailer")
        case_id = sender.sender_id  # any id is one
        for _ in range(3):
            await alarms.raise_violation(tx, brand, sender, case_id, violation_count=2)
    assert await raised(service) == [("mailer", "violation")]
    [(kind, data)] = await notices(service)
    assert kind == "alarm.violation"
    assert (data["case_id"], data["violation_count"]) == (str(case_id), 2)
