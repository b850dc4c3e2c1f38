"""Forged mail is taken back as one batch: exactly what it put, and nothing that anybody said."""

import asyncio
import random
from datetime import timedelta
from uuid import uuid4

import pytest

from prefsvc import taking_back, verification
from prefsvc.forgeries import Finding
from prefsvc.intent import Decision
from prefsvc.reviews import Answer, Doubt
from prefsvc.taking_back import take_back
from tests.support.cast import ANN, BOB
from tests.support.register import SCOPES, act, record, withdraw, workload

EVIL, OTHER = "203.0.113.9", "203.0.113.1"
CLAIMS = ("mail_reply_unproven", "complaint_unproven", "bounce_unproven")
REASONS = {
    "complaint_unproven": "complaint", "bounce_unproven": "undeliverable",
}  # fmt: skip


def claim(service, address=ANN, *, origin=EVIL, source=CLAIMS[0], **more):
    """A request by mail that nobody vouches for."""
    return act(
        service,
        address,
        source=source,
        reason=more.pop("reason", REASONS.get(source, "opt_out")),
        evidence={"origin_host": origin, "authenticated": False},
        idempotency_key=more.pop("idempotency_key", f"mail:{uuid4()}"),
        **more,
    )


async def reverse(service, *, since=None, until=None, origin=EVIL, **more):
    """Take back what came of an origin in a time, by default of the last hour."""
    now = service.now()
    selected = taking_back.selection(
        since or now - timedelta(hours=1), until or now, origin, now=now
    )
    finding = Finding(selected, uuid4(), "Olive", "the same words to everybody")
    return await take_back(service, service.book.get("acme"), finding, **more)


async def suppressed(service, address=ANN):
    rows = await service.database.pool.fetch(
        "select reason from suppression where address_key = $1 and active order by reason",
        act(service, address).recipient.address_key,
    )
    return [row["reason"] for row in rows]


async def verified(service):
    """Return what is wrong with the register, by its ledger alone."""
    async with service.database.read() as tx:
        found = await verification.verify(
            tx, service.vault, service.installation.installation_id, service.book, {}
        )
    return found.wrong


@pytest.fixture(autouse=True)
def stopped(service, clock):
    clock.stop(service.now())


@pytest.fixture
async def and_the_ledger_alone_says_the_same(service):
    """Ask of a test that the suppressions are what follows from the ledger."""
    yield
    assert await verified(service) == []


replayed = pytest.mark.usefixtures("and_the_ledger_alone_says_the_same")


@replayed
@pytest.mark.parametrize("source", CLAIMS)
async def test_what_forged_mail_put_is_lifted(service, clock, source):
    await record(service, claim(service, source=source))
    assert await suppressed(service)
    clock.move(minutes=5)
    done = await reverse(service)
    assert (done.requests, done.lifted, done.kept) == (1, 1, 0)
    assert await suppressed(service) == []


async def test_the_act_says_who_decided_why_and_of_which_event(service, clock):
    [made] = await record(service, claim(service))
    clock.move(minutes=5)
    await reverse(service)
    row = await service.database.pool.fetchrow(
        "select e.act, e.source, e.effect, p.content from preference_event as e "
        "join evidence as p using (bucket, event_id) where e.effect = 'lifted'"
    )
    assert (row["act"], row["source"]) == ("opt_in", "forged_mail")
    assert row["content"]["takes_back"] == str(made.event_id)
    assert row["content"]["decided"] == {"by": "Olive", "note": "the same words to everybody"}
    assert row["content"]["origin"] == EVIL


def words(service):
    """Every way in which somebody else may say it: what is recorded, and its name."""
    return {
        "a click": act(service, ANN, source="one_click"),
        "a call": act(service, ANN, source="phone"),
        "vouched mail": act(service, ANN, source="mail_reply", idempotency_key="mail:1"),
        "another origin's mail": claim(service, origin=OTHER),
        "a program": act(service, ANN, source="api"),
    }


NAMES = ("a click", "a call", "vouched mail", "another origin's mail", "a program")


@replayed
@pytest.mark.parametrize("seconds", [20, 300])
@pytest.mark.parametrize("is_before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("name", NAMES)
async def test_what_anybody_else_said_stays(service, clock, name, is_before, seconds):
    said = words(service)[name]
    for one in (said, claim(service)) if is_before else (claim(service), said):
        await record(service, one)
        clock.move(seconds=seconds)
    clock.move(minutes=1)
    done = await reverse(service)
    assert (done.requests, done.lifted, done.kept) == (1, 0, 1)
    assert await suppressed(service) == ["opt_out"]


async def test_a_first_deadline_is_kept_when_a_click_comes_after_the_claim(service, clock):
    [first] = await record(service, claim(service))
    clock.move(days=1)
    [again] = await record(service, act(service, ANN, source="one_click"))
    assert (again.is_new, again.deadline_at) == (False, first.deadline_at)


async def test_a_mail_of_another_time_stays(service, clock):
    await record(service, claim(service))
    clock.move(hours=2)
    await record(service, claim(service))
    clock.move(minutes=1)
    assert (await reverse(service)).lifted == 0
    both = await reverse(service, since=service.now() - timedelta(hours=3))
    assert (both.requests, both.lifted) == (2, 1)


async def test_a_complaint_beside_a_forged_request_stays(service, clock):
    await record(service, claim(service), act(service, ANN, source="complaint", reason="complaint"))
    clock.move(minutes=1)
    assert (await reverse(service)).lifted == 1
    assert await suppressed(service) == ["complaint"]


@replayed
async def test_what_came_before_the_persons_own_start_holds_nothing(service, clock):
    await record(service, claim(service, origin=OTHER))
    clock.move(minutes=2)
    await withdraw(service, act(service, ANN, source="confirmation"))
    clock.move(minutes=2)
    await record(service, claim(service))
    clock.move(minutes=2)
    assert (await reverse(service)).lifted == 1
    assert await suppressed(service) == []


async def test_a_retry_of_a_forged_mail_suppresses_no_more(service, clock):
    forged = claim(service, idempotency_key="mail:forged")
    await record(service, forged)
    clock.move(minutes=1)
    await reverse(service)
    await record(service, forged)
    assert await suppressed(service) == []


@replayed
async def test_what_a_person_said_before_and_comes_late_still_counts(service, clock):
    await record(service, claim(service))
    clock.move(minutes=10)
    await reverse(service)
    late = service.now() - timedelta(minutes=30)
    await record(service, act(service, ANN, source="sms_reply", sent_at=late, received_at=late))
    assert await suppressed(service) == ["opt_out"]


async def test_a_second_run_and_a_dry_run_change_nothing(service, clock):
    await record(service, claim(service), claim(service, BOB))
    clock.move(minutes=1)
    events = "select count(*) from preference_event"
    before = await service.database.pool.fetchval(events)
    assert (await reverse(service, dry_run=True)).lifted == 2
    assert await service.database.pool.fetchval(events) == before
    assert (await reverse(service)).lifted == 2
    again = await reverse(service)
    assert (again.requests, again.lifted, again.kept) == (2, 0, 2)
    assert await service.database.pool.fetchval(events) == before + 2


async def test_another_brands_mail_stays(service, clock):
    await record(service, claim(service, brand="globex"))
    clock.move(minutes=1)
    assert (await reverse(service)).requests == 0
    assert await suppressed(service) == ["opt_out"]


async def test_without_an_origin_all_of_the_time_is_meant(service, clock):
    await record(service, claim(service), claim(service, BOB, origin=OTHER))
    clock.move(minutes=1)
    assert (await reverse(service, origin=None)).lifted == 2


async def test_a_mail_whose_evidence_was_erased_is_of_no_origin(service, clock):
    await record(service, claim(service))
    await service.database.pool.execute("delete from evidence")
    clock.move(minutes=1)
    assert (await reverse(service)).requests == 0
    assert (await reverse(service, origin=None)).lifted == 1


async def test_one_call_looks_at_so_many_and_the_next_goes_on(service, clock, monkeypatch):
    monkeypatch.setattr(taking_back, "PAGE_SIZE", 2)
    await record(service, *[claim(service, f"p{n}@example.org") for n in range(9)])
    clock.move(minutes=1)
    done = await reverse(service, at_most=4)
    assert 4 <= done.requests < 9
    lifted = done.lifted
    while done.next:
        done = await reverse(service, at_most=4, after=done.next)
        lifted += done.lifted
    assert lifted == 9


def doubt(service, words="hm"):
    made = claim(service)
    return Doubt(
        made.brand, made.recipient, f"mail:{words}", Decision("ask", "unclear", None), made.evidence
    )


@replayed
async def test_a_doubt_that_suppressed_first_is_taken_back_unless_somebody_decided_it(
    service, clock
):
    asked = doubt(service)
    await service.ask(asked)
    assert await suppressed(service) == ["opt_out"]
    clock.move(minutes=1)
    assert (await reverse(service, dry_run=True)).lifted == 1
    await service.decide(asked.brand, asked.review_id, Answer("stop", "Olive"))
    clock.move(minutes=1)
    assert (await reverse(service)).lifted == 0
    assert await suppressed(service) == ["opt_out"]


@pytest.mark.parametrize(("by", "lifted"), [("prefsvc", 1), ("Olive", 0)])
async def test_a_stop_that_nobody_decided_is_a_claim_still(service, clock, by, lifted):
    asked = Doubt(
        **{
            name: getattr(doubt(service), name)
            for name in ("brand", "recipient", "message_id", "reading", "evidence", "scope")
        },
        is_hearsay=True,
    )
    await service.ask(asked)
    assert await suppressed(service) == []
    await service.decide(asked.brand, asked.review_id, Answer("stop", by))
    clock.move(minutes=1)
    assert (await reverse(service)).lifted == lifted


@replayed
@pytest.mark.parametrize("seed", range(4))
async def test_whoever_says_stop_while_it_is_taken_back_is_stopped(service, clock, seed):
    """The click comes wholly before, and is seen, or wholly after, and stands."""
    people = [f"p{n}@example.org" for n in range(40)]
    await record(service, *[claim(service, one) for one in people])
    clock.move(seconds=30)
    clickers = random.Random(seed).sample(people, 20)
    until = service.now()

    async def click(address):
        await record(service, act(service, address, source="one_click"))

    await asyncio.gather(
        reverse(service, until=until),
        *(click(one) for one in clickers),
        reverse(service, until=until),
    )
    for one in people:
        assert await suppressed(service, one) == (["opt_out"] if one in clickers else [])


async def test_two_that_take_back_at_once_lift_everything_once(service, clock):
    await record(service, *[claim(service, f"p{n}@example.org") for n in range(60)])
    clock.move(minutes=1)
    done = await asyncio.gather(*(reverse(service) for _ in range(3)))
    assert sum(one.lifted for one in done) == 60


@replayed
@pytest.mark.parametrize("seed", range(6))
async def test_among_all_that_is_said_only_what_stands_by_them_alone_is_lifted(
    service, clock, seed
):
    """Held against what would stand had the forged mail never come."""
    choose = random.Random(seed)
    people = [f"person{n}@example.org" for n in range(12)]
    forged_from = service.now()
    await workload(service, steps=15, seed=seed)
    for _ in range(40):
        who, scope = choose.choice(people), choose.choice(SCOPES)
        kind = choose.choice(["claim", "claim", "claim", "other", "click", "start"])
        clock.move(seconds=choose.choice([1, 30, 90]))
        if kind == "start":
            await withdraw(service, act(service, who, source="confirmation", scope=scope))
        elif kind == "click":
            await record(service, act(service, who, source="one_click", scope=scope))
        else:
            origin = EVIL if kind == "claim" else OTHER
            await record(service, claim(service, who, origin=origin, scope=scope))
    clock.move(minutes=2)
    expected = await _without(service, EVIL)
    before = await _standing(service)
    await reverse(service, since=forged_from)
    after = await _standing(service)
    assert after <= before
    assert expected <= after
    assert {one for one in after if one not in expected} == set()


async def _standing(service):
    rows = await service.database.pool.fetch(
        "select address_key, channel, scope, topic, reason from suppression where active"
    )
    return {tuple(row) for row in rows}


async def _without(service, origin):
    """Replay the ledger as if the mail of this origin had never come."""
    rows = await service.database.pool.fetch(
        "select e.*, p.content ->> 'origin_host' as origin from preference_event as e "
        "join evidence as p using (bucket, event_id) order by bucket, brand_id, position"
    )
    stands = {}
    for row in rows:
        slot = tuple(row[name] for name in ("address_key", "channel", "scope", "topic", "reason"))
        if row["origin"] == origin:
            continue
        if row["act"] == "opt_out":
            stands[slot] = True
        elif row["effect"] == "lifted":
            stands[slot] = False
    return {slot for slot, is_standing in stands.items() if is_standing}
