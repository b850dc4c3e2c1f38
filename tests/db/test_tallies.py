import asyncio

import pytest

from prefsvc import tallies
from prefsvc.address import CHANNELS
from prefsvc.tallies import Reached
from prefsvc.verification import verify
from prefsvc.work.tallying import tallying
from tests.support.owing import tally
from tests.support.register import act, address_in, record

BUCKET = 5
KEPT = """
select block, channel, added_count, half_at, four_fifths_at, target_at, deadline_at
from feed_tally order by block, channel
"""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of four positions, so that a small ledger has many of them."""
    monkeypatch.setattr(tallies, "BLOCK_POSITIONS", 4)


@pytest.fixture
async def ten(service):
    """Ten rows of one bucket: two blocks, and two rows of a third."""
    for number in range(10):
        await record(service, act(service, address_in(service, BUCKET, number=number)))
    return service


async def kept(service):
    return [tuple(row) for row in await service.database.pool.fetch(KEPT)]


async def wrong(service):
    async with service.database.read(snapshot=True) as tx:
        installation_id = service.installation.installation_id
        found = await verify(tx, service.vault, installation_id, service.book, {})
    return found.wrong


async def test_complete_blocks_are_tallied_for_every_channel(ten):
    assert await tally(ten) == 2
    assert [row[:3] for row in await kept(ten)] == [
        (0, "email", 4), (0, "post", 0), (0, "sms", 0), (0, "whatsapp", 0),
        (1, "email", 4), (1, "post", 0), (1, "sms", 0), (1, "whatsapp", 0),
    ]  # fmt: skip


async def test_a_tally_holds_the_earliest_of_each_step(ten):
    await tally(ten)
    rows = await ten.database.pool.fetch(
        "select received_at, deadline_at, (deadline ->> 'target_at')::timestamptz as target_at"
        " from preference_event where position <= 4"
    )
    first = min(row["received_at"] for row in rows)
    _, _, _, half_at, four_fifths_at, target_at, deadline_at = (await kept(ten))[0]
    assert target_at == min(row["target_at"] for row in rows)
    assert deadline_at == min(row["deadline_at"] for row in rows)
    assert first < half_at < four_fifths_at < deadline_at


async def test_it_goes_on_where_it_ended(ten):
    reached = Reached()
    assert await tally(ten, reached) == 2
    assert await tally(ten, reached) == 0
    for number in range(10, 12):
        await record(ten, act(ten, address_in(ten, BUCKET, number=number)))
    assert await tally(ten, reached) == 1
    assert len(await kept(ten)) == 3 * len(CHANNELS)


async def test_a_round_is_bounded(ten, monkeypatch):
    monkeypatch.setattr(tallies, "BLOCKS_A_ROUND", 1)
    reached = Reached()
    assert [await tally(ten, reached) for _ in range(3)] == [1, 1, 0]


async def test_the_loops_round_goes_on_until_everything_is_tallied(ten, monkeypatch):
    monkeypatch.setattr("prefsvc.tallies.BLOCKS_A_ROUND", 1)
    monkeypatch.setattr("prefsvc.work.tallying.BLOCKS_A_ROUND", 1)
    await tallying(ten)()
    assert len(await kept(ten)) == 2 * len(CHANNELS)


async def test_processes_beside_each_other_make_the_same(ten):
    await asyncio.gather(*[tally(ten) for _ in range(6)])
    made = await kept(ten)
    assert len(made) == 2 * len(CHANNELS)
    await ten.database.pool.execute("delete from feed_tally")
    await tally(ten)
    assert await kept(ten) == made


async def test_a_channel_that_an_earlier_version_left_out_is_tallied_afterwards(ten):
    await tally(ten)
    made = await kept(ten)
    await ten.database.pool.execute("delete from feed_tally where channel = 'whatsapp'")
    assert await wrong(ten)
    await tally(ten)
    assert await kept(ten) == made


async def test_what_prefsvc_tallied_is_verified(ten):
    await tally(ten)
    assert await wrong(ten) == []


NOTHING_ADDED = (
    "set added_count = 0, half_at = null, four_fifths_at = null, target_at = null,"
    " deadline_at = null"
)


@pytest.mark.parametrize(
    "change",
    [
        "update feed_tally set added_count = 3",
        f"update feed_tally {NOTHING_ADDED}",
        "update feed_tally set deadline_at = deadline_at + interval '1 day'",
        "update feed_tally set half_at = null",
        "update feed_tally set channel = 'fax'",
        "delete from feed_tally",
    ],
)
async def test_an_altered_tally_is_found(ten, change):
    await tally(ten)
    await ten.database.pool.execute(f"{change} where block = 0 and channel = 'email'")
    [sentence] = await wrong(ten)
    assert sentence.endswith("the tally of block 0 (email) is not what the ledger says")


async def test_a_tally_of_what_is_not_complete_yet_is_found(ten):
    await tally(ten)
    await ten.database.pool.execute(
        "insert into feed_tally (bucket, brand_id, channel, block, added_count)"
        " select bucket, brand_id, channel, 2, 0 from feed_tally where block = 1"
    )
    assert len(await wrong(ten)) == len(CHANNELS)
