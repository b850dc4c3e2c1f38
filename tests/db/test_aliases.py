"""Acts on two spellings of one number, by the register's rules."""

from datetime import timedelta

from msgspec.structs import replace

from tests.support.register import act, record, withdraw

OLD, NEW = "+5215555550123", "+525555550123"

ROWS = """
select a.canonical, e.act, e.reason, e.idempotency_key
from preference_event e join address a using (bucket, address_key)
"""


def number_in(service, bucket, *, without=()):
    """Find a number of Mexico, in its old spelling, whose other spelling is in this bucket."""
    for n in range(10_000):
        one = act(service, f"+521555555{n:04}", channel="sms")
        [other] = one.recipient.aliases(service.vault)
        if other.bucket == bucket and one.recipient.bucket not in without:
            return one.recipient
    raise LookupError


async def test_one_request_about_two_numbers_is_kept_apart_where_their_aliases_meet(service):
    first = number_in(service, 7)
    second = number_in(service, 7, without={first.bucket})
    both = [
        act(service, one.address.canonical, channel="sms", idempotency_key="request-1")
        for one in (first, second)
    ]
    await record(service, *both)
    await record(service, *both)
    rows = await service.database.pool.fetch(ROWS)
    assert sorted(row["reason"] for row in rows) == ["alias", "alias", "opt_out", "opt_out"]
    assert all(row["idempotency_key"].startswith("request-1") for row in rows)


async def test_callers_get_one_answer_for_each_act_they_gave(service):
    made = await record(
        service,
        act(service, OLD, channel="sms"),
        act(service, "ann@example.org"),
        act(service, NEW, channel="sms"),
    )
    assert [(one.reason, one.effect, one.is_new) for one in made] == [
        ("opt_out", "added", True)
    ] * 3
    taken_back = await withdraw(
        service, *(act(service, one, channel="sms", source="phone") for one in (OLD, NEW))
    )
    assert [one.also_lifted for one in taken_back] == [("alias",), ("alias",)]


async def test_what_the_person_wrote_is_kept_where_both_spellings_come_at_once(service):
    written = "+52 1 55 5555 0123", "+52 55 5555 0123"
    await record(service, *(act(service, one, channel="sms") for one in written))
    kept = await service.database.pool.fetch("select as_written from address")
    assert {row["as_written"] for row in kept} == set(written)


async def test_of_an_erased_number_no_other_spelling_is_known(service):
    known = act(service, OLD, channel="sms")
    erased = replace(known, recipient=replace(known.recipient, address=None))
    await record(service, known)
    await withdraw(service, replace(erased, source="phone"))
    rows = await service.database.pool.fetch(ROWS)
    assert sorted((row["act"], row["reason"]) for row in rows) == [
        ("opt_in", "opt_out"),
        ("opt_out", "alias"),
        ("opt_out", "opt_out"),
    ]


async def test_an_older_opt_out_that_arrives_late_puts_no_alias_either(service, clock):
    before = service.now() - timedelta(days=1)
    await withdraw(service, act(service, OLD, channel="sms", source="phone"))
    await record(service, act(service, OLD, channel="sms", sent_at=before, received_at=before))
    assert not await service.database.pool.fetchval("select count(*) from suppression where active")
