import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from prefsvc.evidence import digest
from prefsvc.ledger_row import (
    SEAL_BYTES,
    CheckpointClaim,
    LedgerRow,
    canonical_json,
    first_digest,
    is_sealed,
    next_digest,
    seal,
)
from prefsvc.settings import Settings
from prefsvc.vault import open_vault
from tests.support.ledger_document import VECTOR, vouched_for

KEY = b"k" * 32
MOMENTS = ("sent_at", "received_at", "recorded_at", "deadline_at")
OTHERS = {
    "event_id": UUID(int=7),
    "address_key": bytes(16),
    "evidence_sha256": bytes(32),
    "deadline": {"rule": "another"},
} | {name: datetime(2027, 1, 1, tzinfo=UTC) for name in MOMENTS}


def row_of(values):
    """Read a row back from what is digested of it."""
    row = LedgerRow(*values)
    moments = {name: datetime.fromisoformat(at) for name in MOMENTS if (at := getattr(row, name))}
    return replace(
        row,
        event_id=UUID(row.event_id),
        address_key=bytes.fromhex(row.address_key),
        evidence_sha256=bytes.fromhex(row.evidence_sha256),
        **moments,
    )


ROW = row_of(VECTOR["row"])


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    given = {
        "pepper": bytes(32),
        "token_keys": bytes(32),
        "sealing_key": bytes(64),
        "ledger_key": bytes.fromhex(VECTOR["ledger_key"]),
    }
    secrets = {name: base64.b64encode(raw).decode() for name, raw in given.items()}
    folder = tmp_path_factory.mktemp("no-secrets")
    return open_vault(Settings(secrets_dir=folder, **secrets), make_missing=False)


def test_the_documents_example_is_what_prefsvc_writes(vault):
    assert json.loads(ROW.to_bytes()) == VECTOR["row"]
    assert vault.seal_key.hex() == VECTOR["seal_key"]
    assert vault.ledger_fingerprint.hex() == VECTOR["public_key"]
    assert digest(VECTOR["evidence"]) == ROW.evidence_sha256
    sealed = seal(vault.seal_key, ROW.to_bytes())
    assert sealed.hex() == VECTOR["seal"]
    before = first_digest(UUID(VECTOR["installation_id"]), VECTOR["brand"], ROW.bucket)
    assert before.hex() == VECTOR["digest_before"]
    assert next_digest(before, ROW.to_bytes(), sealed).hex() == VECTOR["digest_after"]
    assert claim().sign(vault.signing_key).hex() == VECTOR["checkpoint"]["signature"]


def claim(**changes):
    one = VECTOR["checkpoint"] | changes
    return CheckpointClaim(
        UUID(VECTOR["installation_id"]),
        one["brand"],
        one["bucket"],
        one["position"],
        bytes.fromhex(one["digest"]),
        datetime.fromisoformat(one["made_at"]),
    )


def run_the_documents_program(row=None, **checkpoint):
    return vouched_for(
        VECTOR["installation_id"],
        VECTOR["brand"],
        5,
        [[*(row or VECTOR["row"]), VECTOR["seal"]]],
        [VECTOR["checkpoint"] | checkpoint],
        VECTOR["public_key"],
    )


def test_the_documents_program_verifies_its_example():
    assert run_the_documents_program() == 1


def test_the_documents_program_finds_another_row():
    with pytest.raises(AssertionError, match="other rows"):
        run_the_documents_program([*VECTOR["row"][:-1], "another"])


def test_the_documents_program_finds_another_signature():
    with pytest.raises(InvalidSignature):
        run_the_documents_program(position=0)


@pytest.mark.parametrize("name", [field.name for field in fields(LedgerRow)])
def test_every_field_is_sealed_and_digested(name):
    value = getattr(ROW, name)
    number_or_text = 99 if isinstance(value, int) else "another"
    other = replace(ROW, **{name: OTHERS.get(name, number_or_text)})
    sealed = seal(KEY, ROW.to_bytes())
    assert is_sealed(KEY, ROW.to_bytes(), sealed)
    assert not is_sealed(KEY, other.to_bytes(), sealed)
    assert next_digest(b"before", ROW.to_bytes(), sealed) != next_digest(
        b"before", other.to_bytes(), sealed
    )


def test_a_seal_is_its_keys_alone():
    assert len(seal(KEY, ROW.to_bytes())) == SEAL_BYTES
    assert not is_sealed(b"another", ROW.to_bytes(), seal(KEY, ROW.to_bytes()))
    assert not is_sealed(KEY, ROW.to_bytes(), seal(KEY, ROW.to_bytes())[:-1])
    assert not is_sealed(KEY, ROW.to_bytes(), b"")


def test_the_running_digest_depends_on_the_seal_and_on_all_before():
    assert next_digest(b"a", ROW.to_bytes(), b"s") != next_digest(b"b", ROW.to_bytes(), b"s")
    assert next_digest(b"a", ROW.to_bytes(), b"s") != next_digest(b"a", ROW.to_bytes(), b"t")


def test_each_place_has_a_beginning_of_its_own():
    begun = {
        first_digest(UUID(int=one), brand, bucket)
        for one in (1, 2)
        for brand in ("acme", "globex")
        for bucket in (0, 1)
    }
    assert len(begun) == 8


@pytest.mark.parametrize(
    "change",
    [
        {"brand": "globex"},
        {"bucket": 6},
        {"position": 2},
        {"digest": "00" * 32},
        {"made_at": "2026-01-02T04:00:00.250001+00:00"},
    ],
)
def test_a_signature_covers_the_whole_claim(vault, change):
    signature = claim().sign(vault.signing_key)
    assert claim().is_signed(vault.public_key, signature)
    assert not claim(**change).is_signed(vault.public_key, signature)
    assert not claim().is_signed(vault.public_key, signature[:-1])
    assert not claim().is_signed(Ed25519PrivateKey.generate().public_key(), signature)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-14, 14))
def test_the_same_moment_is_written_the_same_in_every_zone(at, hours):
    if 1 < at.year < 9999:
        elsewhere = at.astimezone(timezone(timedelta(hours=hours)))
        assert replace(ROW, sent_at=elsewhere).to_bytes() == replace(ROW, sent_at=at).to_bytes()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(json_values)
def test_canonical_json_is_what_the_document_says(value):
    plain = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert canonical_json(value) == plain.encode()
    assert json.loads(canonical_json(value)) == value
