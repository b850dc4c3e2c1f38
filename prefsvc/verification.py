"""`prefsvc ledger verify`: finding any row that was altered, removed or inserted.

Every row is read again: positions must be dense up to the head, each seal must be its writer's, the
running digest must pass through every checkpoint, each checkpoint must be signed, evidence must
have the digest that the ledger keeps, addresses must have their keys, and the suppressions must be what
the ledger says follows. Checkpoints exported earlier are compared too: they prove what a database
that was rolled back as a whole no longer shows.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from cryptography.exceptions import InvalidTag
from typing_extensions import override

from prefsvc.address import address_key, bucket_of, parse_channel, sha256_of
from prefsvc.brands import AppliedBrand, BrandBook
from prefsvc.checkpoints import ledger_row
from prefsvc.cursor import BUCKET_COUNT
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.evidence import digest as evidence_digest
from prefsvc.ledger import Place
from prefsvc.ledger_row import (
    CheckpointClaim,
    LedgerRow,
    first_digest,
    is_sealed,
    next_digest,
)
from prefsvc.suppression import (
    LIFTING_SOURCES,
    Reason,
    Scope,
    State,
    decide,
    parse_act,
    parse_reason,
)
from prefsvc.vault import Vault

PAGE_ROWS = 1000

_Slot = tuple[bytes, Scope, Reason]


@dataclass(frozen=True, slots=True)
class Exported:
    """A checkpoint that was kept outside the database."""

    position: int
    digest: bytes
    made_at: datetime
    signature: bytes


@dataclass(slots=True)
class Findings:
    """What was read, and what is wrong: one sentence each, naming places and never addresses."""

    rows: int = 0
    checkpoints: int = 0
    suppressions: int = 0
    addresses: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Walk:
    """One brand and bucket being walked through."""

    brand: AppliedBrand
    bucket: int
    digest: bytes
    position: int = 0
    digests: dict[int, bytes] = field(default_factory=dict)
    """The running digest at each position that some checkpoint speaks of."""
    states: dict[_Slot, tuple[State, int]] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """Return what its head orders."""
        return (self.bucket, self.brand.brand_id)

    @override
    def __str__(self) -> str:
        return f"brand {self.brand.slug}, bucket {self.bucket}"


async def verify(
    tx: Tx,
    vault: Vault,
    installation_id: UUID,
    book: BrandBook,
    exported: Mapping[tuple[str, int], Sequence[Exported]],
) -> Findings:
    """Verify the whole register as one snapshot; `exported` is keyed by brand and bucket."""
    findings = Findings()
    heads = {(row.bucket, row.brand_id): row.position for row in await queries.all_heads(tx.conn)}
    for brand_id, bucket in {(place[1], place[0]) for place in heads if place[1] not in book.by_id}:
        findings.wrong.append(
            f"bucket {bucket} has a head for brand number {brand_id}, which does not exist"
        )
    for brand in book.by_id.values():
        for bucket in range(BUCKET_COUNT):
            walk = _Walk(brand, bucket, first_digest(installation_id, brand.slug, bucket))
            kept = exported.get((brand.slug, bucket), ())
            await _verify_place(tx, vault, installation_id, walk, heads, kept, findings)
    for bucket in range(BUCKET_COUNT):
        await _verify_addresses(tx, vault, bucket, findings)
    return findings


async def _verify_place(
    tx: Tx,
    vault: Vault,
    installation_id: UUID,
    walk: _Walk,
    heads: Mapping[Place, int],
    kept: Sequence[Exported],
    findings: Findings,
) -> None:
    checkpoints = [
        *[one async for one in _checkpoints(tx, walk.place)],
        *kept,
    ]
    spoken_of = {one.position for one in checkpoints}
    await _walk_rows(tx, vault, walk, spoken_of, findings)
    head = heads.get(walk.place, 0)
    if head != walk.position:
        findings.wrong.append(
            f"{walk}: the head stands at {head}, but the last row is {walk.position}"
        )
    _verify_checkpoints(vault, installation_id, walk, checkpoints, findings)
    await _verify_states(tx, walk, findings)


async def _checkpoints(tx: Tx, place: Place) -> AsyncIterator[Exported]:
    bucket, brand_id = place
    after = 0
    while rows := await queries.checkpoints(
        tx.conn, bucket=bucket, brand_id=brand_id, after=after, size=PAGE_ROWS
    ):
        for row in rows:
            yield Exported(row.position, row.digest, row.made_at, row.signature)
        after = rows[-1].position


async def _walk_rows(
    tx: Tx, vault: Vault, walk: _Walk, spoken_of: set[int], findings: Findings
) -> None:
    while rows := await queries.ledger_page(
        tx.conn,
        bucket=walk.bucket,
        brand_id=walk.brand.brand_id,
        after=walk.position,
        size=PAGE_ROWS,
    ):
        evidence = {
            row.event_id: row.content
            for row in await queries.evidence_of(
                tx.conn, bucket=walk.bucket, event_ids=[row.event_id for row in rows]
            )
        }
        for stored in rows:
            row = ledger_row(walk.place, stored)
            findings.rows += 1
            _verify_row(vault, walk, row, stored.seal, evidence.get(row.event_id), findings)
            walk.digest = next_digest(walk.digest, row, stored.seal)
            walk.position = row.position
            if row.position in spoken_of:
                walk.digests[row.position] = walk.digest
            _replay(walk, row)


def _verify_row(
    vault: Vault, walk: _Walk, row: LedgerRow, seal: bytes, evidence: object, findings: Findings
) -> None:
    if row.position != walk.position + 1:
        gap = f"{walk.position + 1} to {row.position - 1}"
        findings.wrong.append(f"{walk}: rows {gap} were removed")
    if not is_sealed(vault.seal_key, row, seal):
        findings.wrong.append(f"{walk}: row {row.position} is not as prefsvc wrote it")
    if isinstance(evidence, dict) and evidence_digest(evidence) != row.evidence_sha256:
        findings.wrong.append(f"{walk}: the evidence of row {row.position} was altered")


def _replay(walk: _Walk, row: LedgerRow) -> None:
    """Say what follows from the row, as the write path did."""
    scope, reason = Scope.parse(row.scope, row.topic), parse_reason(row.reason)
    slot = (row.address_key, scope, reason)
    kind = parse_act(row.act)
    said_at = min(row.sent_at or row.received_at, row.received_at)
    said = State(scope, reason, kind == "opt_out", said_at, row.deadline_at, row.event_id)
    standing, _ = walk.states.get(slot, (None, 0))
    _, state = decide(kind, standing, said, may_lift=row.source in LIFTING_SOURCES)
    if state is not standing:
        walk.states[slot] = (state, row.position)


def _verify_checkpoints(
    vault: Vault,
    installation_id: UUID,
    walk: _Walk,
    checkpoints: Sequence[Exported],
    findings: Findings,
) -> None:
    for one in checkpoints:
        findings.checkpoints += 1
        claim = CheckpointClaim(
            installation_id, walk.brand.slug, walk.bucket, one.position, one.digest, one.made_at
        )
        if not claim.is_signed(vault.public_key, one.signature):
            findings.wrong.append(f"{walk}: the checkpoint at {one.position} is not signed by us")
        elif one.position not in walk.digests:
            findings.wrong.append(f"{walk}: a checkpoint covers row {one.position}, which is gone")
        elif walk.digests[one.position] != one.digest:
            findings.wrong.append(
                f"{walk}: the rows up to {one.position} are not those that its checkpoint signed"
            )


async def _verify_states(tx: Tx, walk: _Walk, findings: Findings) -> None:
    expected = dict(walk.states)
    async for row in _states(tx, walk.place):
        findings.suppressions += 1
        scope, reason = Scope.parse(row.scope, row.topic), parse_reason(row.reason)
        stored = State(scope, reason, row.active, row.said_at, row.deadline_at, row.event_id)
        follows = expected.pop((row.address_key, scope, reason), None)
        if follows != (stored, row.position):
            findings.wrong.append(
                f"{walk}: a suppression is not what the ledger says (row {row.position})"
            )
    findings.wrong += [
        f"{walk}: the suppression that follows from row {position} is missing"
        for _, position in expected.values()
    ]


async def _states(tx: Tx, place: Place) -> AsyncIterator[queries.StatePageRow]:
    bucket, brand_id = place
    key, scope, topic, reason = b"", "", "", ""
    while rows := await queries.state_page(
        tx.conn,
        bucket=bucket,
        brand_id=brand_id,
        address_key=key,
        scope=scope,
        topic=topic,
        reason=reason,
        size=PAGE_ROWS,
    ):
        for row in rows:
            yield row
        last = rows[-1]
        key, scope, topic, reason = last.address_key, last.scope, last.topic, last.reason


async def _verify_addresses(tx: Tx, vault: Vault, bucket: int, findings: Findings) -> None:
    after = b""
    while rows := await queries.address_page(tx.conn, bucket=bucket, after=after, size=PAGE_ROWS):
        for row in rows:
            findings.addresses += 1
            if not _has_its_key(vault, bucket, row):
                findings.wrong.append(
                    f"bucket {bucket}: an address was altered (its key is another's)"
                )
        after = rows[-1].address_key


def _has_its_key(vault: Vault, bucket: int, row: queries.AddressPageRow) -> bool:
    if row.canonical is not None:
        sha256 = sha256_of(row.canonical)
    else:
        try:
            sha256 = vault.unseal_sha256(row.address_key, row.sealed_sha256 or b"")
        except (InvalidTag, ValueError):
            return False
    key = address_key(vault.pepper, parse_channel(row.channel), sha256)
    return key == row.address_key and bucket_of(key) == bucket
