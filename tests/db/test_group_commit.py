import asyncio

import asyncpg
import pytest

from prefsvc import ledger
from prefsvc.db.lanes import lane
from prefsvc.errors import TooBusy
from prefsvc.group_commit import GroupCommit
from prefsvc.suppression import Scope
from tests.db.test_feed_races import until_one_waits
from tests.support.register import act, address_in

PEOPLE = 40


def acts(service, count=PEOPLE, **more):
    return [act(service, f"person{n}@example.org", **more) for n in range(count)]


async def commits(service):
    """How many transactions the ledger's rows were written in."""
    return await service.database.pool.fetchval(
        "select count(distinct xmin::text) from preference_event"
    )


async def rows(service):
    return await service.database.pool.fetchval("select count(*) from preference_event")


async def test_opt_outs_that_come_together_share_commits(service):
    made = await asyncio.gather(*[service.record([one]) for one in acts(service)])
    assert all(recorded.is_new for [recorded] in made)
    assert len({recorded.event_id for [recorded] in made}) == PEOPLE == await rows(service)
    # Whoever comes while nobody is served is served at once; all others wait for that commit.
    assert await commits(service) <= 3


async def test_each_caller_hears_of_their_own(service):
    asked = acts(service)
    made = await asyncio.gather(*[service.record(asked[n : n + 3]) for n in range(0, PEOPLE, 3)])
    by_key = await service.database.pool.fetch("select event_id, address_key from preference_event")
    stored = {row["event_id"]: row["address_key"] for row in by_key}
    heard = [stored[recorded.event_id] for each in made for recorded in each]
    assert heard == [one.recipient.address_key for one in asked]


async def test_the_same_word_by_many_at_once_is_one_opt_out(service):
    made = await asyncio.gather(*[service.record([acts(service, 1)[0]]) for _ in range(20)])
    assert [recorded.is_new for [recorded] in made].count(True) == 1
    assert len({recorded.event_id for [recorded] in made}) == 1
    assert await rows(service) == 1


async def test_what_cannot_be_stored_fails_by_itself(service):
    good = acts(service, 10)
    poisoned = act(service, "mallory@example.org", scope=Scope("topic", "a\0b"))
    everybody = [*good[:5], poisoned, *good[5:]]
    made = await asyncio.gather(
        *[service.record([one]) for one in everybody], return_exceptions=True
    )
    assert [type(one) for one in made if isinstance(one, Exception)] == [
        asyncpg.CharacterNotInRepertoireError
    ]
    assert await rows(service) == len(good)


async def test_who_waits_for_a_lock_holds_up_nobody_else(service):
    ann, bob = (act(service, address_in(service, bucket)) for bucket in (5, 6))
    async with service.database.transaction() as tx:
        await ledger.lock(tx, [ann.place])
        waiting = asyncio.create_task(service.record([ann]))
        await until_one_waits(service)
        [recorded] = await service.record([bob])
        assert recorded.is_new
        assert not waiting.done()
    assert [recorded.is_new for recorded in await waiting] == [True]


async def test_a_lock_that_is_not_given_fails_those_alone_who_need_it(service):
    people = [act(service, address_in(service, bucket)) for bucket in (5, 6, 7)]
    async with service.database.transaction() as tx:
        await ledger.lock(tx, [people[0].place])
        made = await asyncio.gather(
            *[service.commits.record([one]) for one in people], return_exceptions=True
        )
    assert isinstance(made[0], asyncpg.LockNotAvailableError)
    assert [recorded.is_new for [recorded] in made[1:]] == [True, True]


async def test_who_went_away_before_the_commit_began_is_not_recorded(service):
    ann, bob = acts(service, 2)
    first = asyncio.create_task(service.commits.record([ann]))
    second = asyncio.create_task(service.commits.record([bob]))
    await asyncio.sleep(0)
    second.cancel()
    await first
    with pytest.raises(asyncio.CancelledError):
        await second
    assert await rows(service) == 1


async def test_more_than_may_wait_are_told_to_try_again():
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def commit(some):
        begun.set()
        await may_end.wait()
        return [None for _ in some]

    commits = GroupCommit(commit, acts_max=2, waiting_max=3, at_once_max=1)
    first = asyncio.create_task(commits.record(["a"]))
    await begun.wait()
    waiting = [asyncio.create_task(commits.record([one])) for one in "bcd"]
    await asyncio.sleep(0)
    with pytest.raises(TooBusy):
        await commits.record(["e"])
    may_end.set()
    assert await asyncio.gather(first, *waiting) == [[None]] * 4
    assert await commits.record(["e"]) == [None]


async def test_a_commit_takes_no_more_than_it_may():
    sizes = []

    async def commit(some):
        sizes.append(len(some))
        return list(some)

    commits = GroupCommit(commit, acts_max=4, waiting_max=100, at_once_max=1)
    made = await asyncio.gather(*[commits.record([n, n]) for n in range(7)])
    assert made == [[n, n] for n in range(7)]
    assert sizes == [4, 4, 4, 2]


async def test_one_caller_with_more_than_a_commit_takes_is_served_whole():
    async def commit(some):
        return list(some)

    commits = GroupCommit(commit, acts_max=2, waiting_max=100, at_once_max=1)
    assert await commits.record([1, 2, 3]) == [1, 2, 3]


async def test_opt_outs_wait_in_no_other_lane_whoever_comes_first(service):
    async def holding():
        with lane("rest"):
            async with service.database.read():
                held.release()
                await may_end.wait()

    held, may_end = asyncio.Semaphore(0), asyncio.Event()
    most = service.settings.pool_rest_max
    holders = [asyncio.create_task(holding()) for _ in range(most)]
    for _ in range(most):
        await held.acquire()
    with lane("rest"):
        [recorded] = await service.record(acts(service, 1))
    assert recorded.is_new
    may_end.set()
    await asyncio.gather(*holders)
