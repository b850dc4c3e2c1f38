import hashlib
import json
from dataclasses import replace

import asyncpg
import pytest

from prefsvc import app, checkpoints, reckonings
from prefsvc.checkpoints import Tips
from prefsvc.verification import Exported, verify
from prefsvc.work.loops import checkpointing
from tests.support.ledger_document import EXPORT, vouched_for
from tests.support.register import act, address_in, record, withdraw, workload
from tests.support.waiting import until

BUCKET = 5
COLUMNS = {
    "bucket": "(bucket + 1) % 64",
    "brand_id": "brand_id + 1",
    "position": "position + 1000",
    "event_id": "overlay(event_id::text placing '00000000' from 1 for 8)::uuid",
    "address_key": "decode('00112233445566778899aabbccddeeff', 'hex')",
    "channel": "'sms'",
    "act": "'opt_in'",
    "scope": "'brand'",
    "topic": "'news', scope = 'topic'",
    "reason": "'complaint'",
    "effect": "'none'",
    "source": "'import'",
    "sent_at": "received_at - interval '1 day'",
    "received_at": "received_at + interval '1 microsecond'",
    "recorded_at": "recorded_at + interval '1 day'",
    "deadline_at": "deadline_at + interval '1 day'",
    "deadline": 'deadline || \'{"rule": "another"}\'::jsonb',
    "evidence_sha256": "sha256('x')",
    "idempotency_key": "'another'",
    "seal": "decode('00112233445566778899aabbccddeeff', 'hex')",
}
UNKNOWN_WORDS = {"act": "'pause'", "reason": "'nonsense'"}


@pytest.fixture
async def five(service):
    """Five rows of one bucket, signed for: to tamper with the first, a middle and the last."""
    for number in range(5):
        await record(service, act(service, address_in(service, BUCKET, number=number)))
    await sign(service)
    return service


async def sign(service, tips=None):
    tips = Tips() if tips is None else tips
    async with service.database.transaction() as tx:
        made = await made_in(tx, service, tips)
    tips.remember(made)
    return made


async def made_in(tx, service, tips):
    installation_id = service.installation.installation_id
    return await checkpoints.make(tx, service.vault, installation_id, service.book, tips)


async def findings(service, exported=None):
    async with service.database.read(snapshot=True) as tx:
        installation_id = service.installation.installation_id
        return await verify(tx, service.vault, installation_id, service.book, exported or {})


async def wrongs(service, exported=None):
    return (await findings(service, exported)).wrong


async def tamper(service, *statements):
    async with service.database.transaction() as tx:
        for statement in statements:
            done = await tx.conn.execute(statement)
            assert not done.endswith(" 0"), f"nothing was tampered with by {statement}"


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_what_prefsvc_wrote_is_found_as_it_was_written(service, seed):
    tips = Tips()
    for part in range(4):
        await workload(service, steps=15, seed=seed * 10 + part)
        made = await sign(service, tips)
        assert made.count > 0
        assert made.broken == ()
    found = await findings(service)
    assert found.wrong == []
    assert found.rows > 40
    assert found.checkpoints > 4
    assert found.suppressions > 10
    assert found.addresses > 10


async def test_nothing_written_is_nothing_wrong(service):
    assert await wrongs(service) == []
    assert (await sign(service)).count == 0


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("position", [1, 3, 5])
async def test_an_altered_column_is_found(five, column, position):
    await tamper(
        five,
        f"update preference_event set {column} = {COLUMNS[column]} where position = {position}",
    )
    assert await wrongs(five)


@pytest.mark.parametrize("column", UNKNOWN_WORDS)
async def test_a_word_that_prefsvc_never_writes_is_found(five, column):
    await tamper(
        five, f"update preference_event set {column} = {UNKNOWN_WORDS[column]} where position = 3"
    )
    assert any("row 3 is not as prefsvc wrote it" in one for one in await wrongs(five))


async def test_every_column_of_the_ledger_is_tried(service):
    rows = await service.database.pool.fetch(
        "select column_name from information_schema.columns where table_name = 'preference_event'"
    )
    assert {row[0] for row in rows} == COLUMNS.keys()


@pytest.mark.parametrize("position", [1, 3, 5])
async def test_a_removed_row_is_found(five, position):
    await tamper(five, f"delete from preference_event where position = {position}")
    assert await wrongs(five)


async def test_a_removed_last_row_is_found_with_its_head_set_back(five):
    await tamper(
        five,
        "delete from preference_event where position = 5",
        "delete from suppression where position = 5",
        "update feed_head set position = 4 where position = 5",
    )
    assert any("covers row 5, which is gone" in one for one in await wrongs(five))


_ROW = (
    "act, scope, topic, reason, effect, source, sent_at, received_at, recorded_at, deadline_at, "
    "deadline, evidence_sha256"
)
_COPY = f"""
insert into preference_event
    (bucket, brand_id, position, event_id, address_key, channel, {_ROW}, idempotency_key, seal)
select {{bucket}}, {{brand}}, 6, gen_random_uuid(), address_key, channel, {_ROW}, null, seal
from preference_event
where position = 5
"""


async def test_an_inserted_row_is_found(five):
    await tamper(
        five,
        _COPY.format(bucket="bucket", brand="brand_id"),
        "update feed_head set position = 6 where position = 5",
    )
    assert any("row 6 is not as prefsvc wrote it" in one for one in await wrongs(five))


@pytest.mark.parametrize(("bucket", "brand"), [("64", "brand_id"), ("bucket", "999")])
async def test_a_row_inserted_where_nobody_reads_is_found(five, bucket, brand):
    await tamper(five, _COPY.format(bucket=bucket, brand=brand))
    assert await wrongs(five)


async def test_two_rows_that_changed_places_are_found(five):
    await tamper(
        five,
        "update preference_event set position = 100 where position = 2",
        "update preference_event set position = 2 where position = 4",
        "update preference_event set position = 4 where position = 100",
    )
    assert await wrongs(five)


@pytest.mark.parametrize(
    "change",
    [
        "position = 4",
        "digest = sha256('x')",
        "made_at = made_at - interval '1 second'",
        "signature = sha256('x') || sha256('y')",
        "bucket = bucket + 1",
    ],
)
async def test_an_altered_checkpoint_is_found(five, change):
    await tamper(five, f"update ledger_checkpoint set {change}")
    assert await wrongs(five)


_STATE_COPY = """
insert into suppression (
    bucket, brand_id, address_key, scope, topic, reason, channel, active, said_at, deadline_at,
    event_id, position
)
select bucket, {brand}, address_key, {scope}, reason, channel, active, said_at, deadline_at,
    event_id, position
from suppression
where position = 3
"""


async def exported(service):
    rows = await service.database.pool.fetch("select * from ledger_checkpoint")
    by_id = service.book.by_id
    kept = {}
    for row in rows:
        one = Exported(row["position"], row["digest"], row["made_at"], row["signature"])
        kept.setdefault((by_id[row["brand_id"]].slug, row["bucket"]), []).append(one)
    return kept


async def test_a_bucket_emptied_as_a_whole_is_found_by_exported_checkpoints(five):
    kept = await exported(five)
    assert await wrongs(five, kept) == []
    tables = ("preference_event", "suppression", "ledger_checkpoint", "feed_head")
    await tamper(five, *[f"delete from {table} where bucket = {BUCKET}" for table in tables])
    assert await wrongs(five) == []
    assert any("covers row 5, which is gone" in one for one in await wrongs(five, kept))


async def test_a_bucket_written_anew_is_found_by_exported_checkpoints(five):
    kept = await exported(five)
    tables = ("preference_event", "suppression", "ledger_checkpoint", "feed_head")
    await tamper(five, *[f"delete from {table} where bucket = {BUCKET}" for table in tables])
    for number in range(5):
        await record(five, act(five, address_in(five, BUCKET, number=number + 7)))
    await sign(five)
    assert await wrongs(five) == []
    assert any("not those that its checkpoint signed" in one for one in await wrongs(five, kept))


@pytest.mark.parametrize(
    "statement",
    [
        "update suppression set active = false where position = 3",
        "update suppression set said_at = said_at + interval '1 day' where position = 3",
        "update suppression set deadline_at = deadline_at + interval '1 day' where position = 3",
        "update suppression set event_id = gen_random_uuid() where position = 3",
        "update suppression set position = 2 where position = 3",
        "update suppression set scope = 'brand' where position = 3",
        "update suppression set scope = 'nonsense' where position = 3",
        "update suppression set topic = 'news' where position = 3",
        "update suppression set reason = 'complaint' where position = 3",
        "update suppression set reason = 'nonsense' where position = 3",
        "update suppression set channel = 'sms' where position = 3",
        "update suppression set bucket = bucket + 1 where position = 3",
        "update suppression set bucket = 64 where position = 3",
        "update suppression set brand_id = 999 where position = 3",
        "update suppression set address_key = decode(repeat('00', 16), 'hex') where position = 3",
        "delete from suppression where position = 3",
        _STATE_COPY.format(brand="brand_id", scope="'topic', 'news'"),
        _STATE_COPY.format(brand="999", scope="scope, topic"),
    ],
)
async def test_a_suppression_that_does_not_follow_is_found(five, statement):
    await tamper(five, statement)
    assert await wrongs(five)


@pytest.mark.parametrize(
    "content", ['content || \'{"how": "another"}\'::jsonb', "'{}'", "'null'", "'[]'", "'\"x\"'"]
)
async def test_altered_evidence_is_found(five, content):
    await tamper(five, f"update evidence set content = {content}")
    assert any("the evidence of row 3 was altered" in one for one in await wrongs(five))


async def test_evidence_that_erasure_took_is_no_fault(five):
    await tamper(five, "delete from evidence")
    assert await wrongs(five) == []


@pytest.mark.parametrize(
    "change",
    [
        "canonical = 'mallory@example.org'",
        "channel = 'sms'",
        "canonical = null, as_written = null, sealed_sha256 = sha256('x')",
        "address_key = decode(repeat('00', 16), 'hex')",
    ],
)
async def test_an_altered_address_is_found(five, change):
    one = "(select address_key from address order by address_key limit 1)"
    await tamper(five, f"update address set {change} where address_key = {one}")
    assert any("an address was altered" in one for one in await wrongs(five))


async def test_a_removed_address_is_found(five):
    await tamper(five, "delete from address")
    assert any("the address of row 3 was removed" in one for one in await wrongs(five))


async def test_an_erased_address_is_no_fault(five):
    addresses = [
        act(five, address_in(five, BUCKET, number=number)).recipient for number in range(5)
    ]
    for one in addresses:
        sealed = five.vault.seal_sha256(one.address_key, one.address.sha256)
        await five.database.pool.execute(
            "update address set canonical = null, as_written = null, sealed_sha256 = $2, "
            "erased_at = now() where address_key = $1",
            one.address_key,
            sealed,
        )
    assert await wrongs(five) == []


async def test_findings_name_places_and_no_addresses(five):
    await tamper(
        five,
        "update preference_event set source = 'import'",
        "update suppression set active = false",
        "update evidence set content = '{}'",
        "update address set canonical = 'mallory@example.org' "
        "where address_key = (select address_key from address order by address_key limit 1)",
    )
    told = " ".join(await wrongs(five))
    assert "brand acme, bucket 5" in told
    assert "@" not in told


async def test_another_ledger_key_verifies_nothing(five):
    other = replace(five.vault, seal_key=hashlib.sha256(b"another").digest())
    async with five.database.read(snapshot=True) as tx:
        found = await verify(tx, other, five.installation.installation_id, five.book, {})
    assert len(found.wrong) == 5


async def test_a_broken_row_is_never_signed_for(five):
    tips = Tips()
    await sign(five, tips)
    await record(five, act(five, address_in(five, BUCKET, number=6)))
    await record(five, act(five, address_in(five, BUCKET, number=7)))
    await tamper(five, "update preference_event set source = 'import' where position = 7")
    acme = five.book.get("acme").brand_id
    made = await sign(five, tips)
    assert (made.count, made.broken) == (1, ((BUCKET, acme),))
    assert await five.database.pool.fetchval("select max(position) from ledger_checkpoint") == 6
    # Told once; signed for neither by this process nor by another one.
    assert await sign(five, tips) == await sign(five, tips)
    assert (await sign(five, tips)).broken == ()
    again = await sign(five)
    assert (again.count, again.broken) == (0, ((BUCKET, acme),))


async def test_rows_missing_at_the_end_stop_the_checkpoints_of_their_place(five):
    await record(five, act(five, address_in(five, BUCKET, number=6)))
    await tamper(five, "delete from preference_event where position = 6")
    made = await sign(five)
    assert (made.count, made.broken) == (0, ((BUCKET, five.book.get("acme").brand_id),))


async def test_a_broken_place_does_not_stop_the_others(five):
    await record(five, act(five, address_in(five, BUCKET, number=6)))
    await tamper(five, "update preference_event set source = 'import' where position = 6")
    await record(five, act(five, address_in(five, BUCKET + 1)))
    made = await sign(five)
    assert (made.count, len(made.broken)) == (1, 1)


FAILING_COMMITS = """
create function fail() returns trigger language plpgsql as $$ begin raise 'no commit'; end $$;
create constraint trigger fail after insert on ledger_checkpoint
    deferrable initially deferred for each row execute function fail()
"""


async def test_what_a_failed_commit_took_back_is_signed_for_in_the_next_round(five):
    work = checkpointing(five)
    await work()
    await record(five, act(five, address_in(five, BUCKET, number=6)))
    await tamper(five, FAILING_COMMITS)
    try:
        with pytest.raises(asyncpg.RaiseError):
            await work()
    finally:
        await tamper(five, "drop function fail cascade")
    assert await five.database.pool.fetchval("select max(position) from ledger_checkpoint") == 5
    await work()
    assert await five.database.pool.fetchval("select max(position) from ledger_checkpoint") == 6


async def test_a_broken_row_is_told_though_the_round_that_found_it_failed(five):
    tips = Tips()
    await record(five, act(five, address_in(five, BUCKET, number=6)))
    await tamper(five, "update preference_event set source = 'import' where position = 6")
    async with five.database.read() as tx:  # what is not committed does not count
        await made_in(tx, five, tips)
    assert (await sign(five, tips)).broken == ((BUCKET, five.book.get("acme").brand_id),)


async def test_two_processes_make_the_same_checkpoints(service):
    one, other = Tips(), Tips()
    for number in range(4):
        await record(service, act(service, address_in(service, BUCKET, number=number)))
        await withdraw(service, act(service, address_in(service, BUCKET, number=number)))
        await sign(service, one if number % 2 else other)
    await sign(service, other)
    await sign(service, one)
    found = await findings(service)
    assert (found.wrong, found.rows, found.checkpoints) == ([], 8, 4)


async def test_every_place_has_its_turn_though_others_grow_all_the_time(service):
    tips, signed = Tips(), set()
    buckets = range(checkpoints.PLACES_AT_ONCE + 2)
    for _ in range(2):
        for bucket in buckets:
            await record(service, act(service, address_in(service, bucket, number=len(signed))))
        made = await sign(service, tips)
        assert (made.count, made.has_more) == (checkpoints.PLACES_AT_ONCE, True)
        signed |= {bucket for bucket, _ in made.reached}
    assert signed == set(buckets)


async def test_of_many_new_rows_a_round_digests_a_part(service):
    tips, count = Tips(), checkpoints.ROWS_AT_ONCE + 1
    for number in range(count):
        await record(service, act(service, address_in(service, BUCKET, number=number)))
    first, second = await sign(service, tips), await sign(service, tips)
    assert (first.is_behind, second.is_behind, second.has_more) == (True, False, False)
    assert {position for position, _ in second.reached.values()} == {count}


async def test_the_running_service_signs_by_itself(service, aiohttp_client, keys):
    client = await aiohttp_client(app.build(service))
    await client.post(
        "/v1/brands/acme/opt-outs",
        headers=keys.operator,
        json={"channel": "email", "address": "ann@example.org"},
    )
    counting = "select count(*) from ledger_checkpoint"
    await until(lambda: service.database.pool.fetchval(counting))
    assert await wrongs(service) == []
    reply = await client.get("/v1/brands/acme/ledger/checkpoints", headers=keys.operator)
    [line] = (await reply.text()).splitlines()
    assert json.loads(line)["position"] == 1


async def test_an_export_is_verified_by_the_documents_own_program(service):
    for number in range(3):
        await record(service, act(service, address_in(service, BUCKET, number=number)))
        await sign(service)
    brand = service.book.get("acme")
    rows = await service.database.pool.fetch(
        EXPORT.replace("brand_id = 1", f"brand_id = {brand.brand_id}")
    )
    [kept] = (await exported(service)).values()
    checkpoints_kept = [
        {
            "position": one.position,
            "digest": one.digest.hex(),
            "made_at": one.made_at.isoformat(),
            "signature": one.signature.hex(),
        }
        for one in kept
    ]
    place = (str(service.installation.installation_id), "acme", BUCKET)
    key = service.vault.ledger_fingerprint.hex()
    assert vouched_for(*place, [row[0] for row in rows], checkpoints_kept, key) == 3
    with pytest.raises(AssertionError, match="row 3 is gone"):
        vouched_for(*place, [row[0] for row in rows[:2]], checkpoints_kept, key)


async def with_its_basis(service):
    """Record an opt-out whose deadline's basis is stored already."""
    for number in (5, 6):
        await service.record([act(service, address_in(service, BUCKET, number=number))])


async def test_an_altered_basis_of_deadlines_is_found(five):
    await with_its_basis(five)
    assert not (await findings(five)).wrong
    await five.database.pool.execute(
        """update deadline_basis set document = document || '{"time_zone": "Asia/Tokyo"}'"""
    )
    [wrong] = (await findings(five)).wrong
    assert wrong.startswith("the basis of deadlines")
    assert wrong.endswith("was altered")


async def test_a_removed_basis_of_deadlines_is_found(five):
    await with_its_basis(five)
    await five.database.pool.execute("delete from deadline_basis")
    [wrong] = (await findings(five)).wrong
    assert wrong.endswith("what row 7 was counted by is gone")


async def test_what_opt_outs_have_in_common_is_stored_once(service):
    for number in range(4):
        await service.record([act(service, address_in(service, BUCKET, number=number))])
    kept = await service.database.pool.fetch(
        "select deadline ? 'basis' as is_short, pg_column_size(deadline) as octets "
        "from preference_event order by position"
    )
    # Whoever comes first keeps all of it, so that nobody waits for a basis to be stored.
    assert [row["is_short"] for row in kept] == [False, True, True, True]
    assert max(row["octets"] for row in kept[1:]) < 128
    assert await service.database.pool.fetchval("select count(*) from deadline_basis") == 1


async def test_a_process_that_starts_knows_the_bases_that_are_stored(service, settings, vault):
    await service.record([act(service, address_in(service, BUCKET))])
    assert service.database.bases.stored
    known = set(service.database.bases.stored)
    service.database.bases.stored.clear()
    async with service.database.read() as tx:
        await reckonings.learn(tx)
    assert service.database.bases.stored == known
