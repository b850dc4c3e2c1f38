import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from prefsvc import opt_outs
from prefsvc.address import Address
from prefsvc.opt_outs import Act
from prefsvc.recipients import Recipient
from prefsvc.suppression import Scope
from prefsvc.work.loops import checkpointing

ATELIER = "1-atelier"
PEOPLE = [f"person{number}@example.org" for number in range(12)]
BY_HAND = "update prefsvc.preference_event set "
ONE = " where (bucket, brand_id, position) in ({}) ".format(
    "select bucket, brand_id, position from prefsvc.preference_event"
    " order by bucket, brand_id, position limit 1"
)


@pytest.fixture
def sql(work):
    def run(statement):
        async def execute(service):
            await service.database.pool.execute(statement)

        work(execute)

    return run


@pytest.fixture
def ledger(work, brands, sql):
    """Opt-outs on record, each covered by a checkpoint; nothing of them afterwards."""

    async def write(service):
        brand = service.book.get(ATELIER)
        async with service.database.transaction() as tx:
            for person in PEOPLE:
                recipient = Recipient.of(Address.for_opt_out("email", person), service.vault)
                act = Act(brand, recipient, Scope("brand"), "phone", {"call": "7"})
                await opt_outs.record(tx, service.vault, [act])
        await checkpointing(service)()

    work(write)
    yield
    for table in ("ledger_checkpoint", "suppression", "evidence", "preference_event", "address"):
        sql(f"delete from prefsvc.{table}")
    sql("delete from prefsvc.feed_head")


@pytest.fixture
def exported(prefsvc, ledger, tmp_path):
    ran = prefsvc("ledger", "checkpoints")
    assert (ran.code, ran.err) == (0, "")
    file = tmp_path / "checkpoints.ndjson"
    file.write_text(ran.out)
    return file


def test_a_ledger_that_nobody_touched_is_as_it_was_written(prefsvc, ledger):
    ran = prefsvc("ledger", "verify")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("12 ledger rows, ")
    assert "12 suppressions and 12 addresses" in ran.out
    assert ran.out.endswith("all as it was written.\n")


@pytest.mark.parametrize(
    "statement",
    [
        f"{BY_HAND} deadline_at = deadline_at + interval '1 day' {ONE}",
        f"{BY_HAND} received_at = received_at - interval '1 second' {ONE}",
        f"{BY_HAND} scope = 'third_party_sharing' {ONE}",
        f"{BY_HAND} source = 'api' {ONE}",
        f"delete from prefsvc.preference_event {ONE}",
        'update prefsvc.evidence set content = \'{"call": "8"}\'',
        "update prefsvc.suppression set active = false",
        "delete from prefsvc.suppression",
        "update prefsvc.address set canonical = 'other' || canonical",
        "delete from prefsvc.address",
        "update prefsvc.feed_head set position = position + 1",
        "update prefsvc.ledger_checkpoint set made_at = made_at - interval '1 day'",
    ],
)
def test_what_was_altered_by_hand_is_found(prefsvc, ledger, sql, statement):
    sql(statement)
    ran = prefsvc("ledger", "verify")
    assert ran.code == 1
    assert ran.out.startswith("WRONG  ")
    assert ran.out.endswith(" wrong.\n")
    assert "example.org" not in ran.out + ran.err


def test_many_findings_are_counted_and_not_all_shown(prefsvc, ledger, sql):
    # Each row of the ledger, its suppression, its checkpoint and its address tells the same.
    sql("update prefsvc.preference_event set source = 'api'")
    sql("delete from prefsvc.suppression")
    sql("update prefsvc.address set canonical = 'other' || canonical")
    sql("update prefsvc.evidence set content = '{}'")
    ran = prefsvc("ledger", "verify")
    lines = ran.out.splitlines()
    assert ran.code == 1
    assert len(lines) == 52
    assert lines[50].startswith("WRONG  and ")


def test_exported_checkpoints_are_those_of_the_ledger(prefsvc, exported):
    lines = [json.loads(line) for line in exported.read_text().splitlines()]
    assert {line["brand"] for line in lines} == {ATELIER}
    assert {"bucket", "position", "digest", "made_at", "signature"} < lines[0].keys()
    ran = prefsvc("ledger", "verify", "--checkpoints", exported)
    assert (ran.code, ran.err) == (0, "")
    assert f"{2 * len(lines)} checkpoints" in ran.out


def test_exported_checkpoints_tell_of_a_ledger_that_was_rolled_back(prefsvc, exported, sql):
    for table in ("ledger_checkpoint", "suppression", "evidence", "preference_event", "address"):
        sql(f"delete from prefsvc.{table}")
    sql("delete from prefsvc.feed_head")
    assert prefsvc("ledger", "verify").code == 0
    ran = prefsvc("ledger", "verify", "--checkpoints", exported)
    assert ran.code == 1
    assert "which is gone" in ran.out


def test_exported_checkpoints_tell_of_a_brand_that_is_gone(prefsvc, exported):
    text = exported.read_text()
    exported.write_text(text.replace(ATELIER, "vanished"))
    ran = prefsvc("ledger", "verify", "--checkpoints", exported)
    assert ran.code == 1
    assert "checkpoints were exported of brand vanished, which is gone" in ran.out


def test_a_forged_checkpoint_is_found(prefsvc, exported):
    [first, *rest] = exported.read_text().splitlines()
    forged = json.loads(first) | {"signature": "00" * 64}
    exported.write_text("\n".join([json.dumps(forged), *rest]))
    ran = prefsvc("ledger", "verify", "--checkpoints", exported)
    assert ran.code == 1
    assert ran.out.count("is not signed by us") == 1


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "7", "{}", '{"brand": "a", "bucket": 1, "position": 1, "digest": "x"}', "\x00"],
)
def test_what_is_no_export_is_refused(prefsvc, brands, tmp_path, text):
    (tmp_path / "no").write_text(text)
    ran = prefsvc("ledger", "verify", "--checkpoints", tmp_path / "no")
    assert (ran.code, ran.out) == (1, "")
    assert "cannot be read as exported checkpoints" in ran.err


@pytest.mark.parametrize(
    "moment", ["2026-01-01", "2026-01-01T00:00:00", "9999-12-31T23:59:59-12:00"]
)
def test_an_export_with_an_odd_time_is_refused_or_found_wrong(prefsvc, exported, moment):
    first = json.loads(exported.read_text().splitlines()[0])
    exported.write_text(json.dumps(first | {"made_at": moment}))
    ran = prefsvc("ledger", "verify", "--checkpoints", exported)
    assert ran.code == 1


def test_an_export_that_is_not_there_is_refused(prefsvc, brands, tmp_path):
    ran = prefsvc("ledger", "verify", "--checkpoints", tmp_path / "no")
    assert (ran.code, ran.out) == (1, "")
    assert "FileNotFoundError" in ran.err


def test_the_public_key_is_the_one_that_checkpoints_are_verified_with(prefsvc, work):
    ran = prefsvc("ledger", "public-key")
    assert (ran.code, ran.err) == (0, "")

    async def signed(service):
        return service.vault.signing_key.sign(b"said")

    Ed25519PublicKey.from_public_bytes(bytes.fromhex(ran.out)).verify(work(signed), b"said")
