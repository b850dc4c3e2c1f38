"""`prefsvc ledger verify`: finding any row that was altered, removed or inserted.

Every row is read again: positions must be dense up to the head, each seal must be its writer's, the
running digest must pass through every checkpoint, each checkpoint must be signed, evidence must
have the digest that the ledger keeps, every address must be there and have its key, and the
suppressions and tallies must be what the ledger says follows. Checkpoints exported earlier are
compared too: they prove what a database that was rolled back as a whole no longer shows.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from cryptography.exceptions import InvalidTag
from typing_extensions import override

from prefsvc import checkpoints, tallies
from prefsvc.address import address_key, bucket_of, parse_channel, sha256_of
from prefsvc.brands import AppliedBrand, BrandBook
from prefsvc.checkpoints import ledger_row
from prefsvc.cursor import BUCKET_COUNT
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.evidence import digest as evidence_digest
from prefsvc.honour import Basis
from prefsvc.ledger import Place
from prefsvc.ledger_row import (
    CheckpointClaim,
    LedgerRow,
    first_digest,
    is_sealed,
    next_digest,
)
from prefsvc.replay import Consequence, Followed, read_slot, replay
from prefsvc.suppression import State
from prefsvc.vault import Vault

PAGE_ROWS = 1000


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
    bases: set[str] = field(default_factory=set)
    """What deadlines were counted by: the ids that are there."""
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is stored beside some rows of the ledger."""

    evidence: Mapping[UUID, bytes]
    """Its digests."""
    address_keys: frozenset[bytes]


@dataclass(slots=True)
class _Walk:
    """One brand and bucket being walked through."""

    brand: AppliedBrand
    bucket: int
    digest: bytes
    position: int = 0
    digests: dict[int, bytes] = field(default_factory=dict)
    """The running digest at each position that some checkpoint speaks of."""
    followed: Followed = field(default_factory=dict)

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
    await _verify_strays(tx, book, findings)
    await _verify_bases(tx, findings)
    for brand in book.by_id.values():
        for bucket in range(BUCKET_COUNT):
            walk = _Walk(brand, bucket, first_digest(installation_id, brand.slug, bucket))
            kept = exported.get((brand.slug, bucket), ())
            await _verify_place(
                tx, vault, installation_id, walk, heads=heads, kept=kept, findings=findings
            )
    for bucket in range(BUCKET_COUNT):
        await _verify_addresses(tx, vault, bucket, findings)
    return findings


async def _verify_strays(tx: Tx, book: BrandBook, findings: Findings) -> None:
    brand_ids = sorted(book.by_id)
    events = await queries.stray_events(tx.conn, brand_ids=brand_ids)
    states = await queries.stray_states(tx.conn, brand_ids=brand_ids)
    if events or states:
        findings.wrong.append(
            f"{events} ledger rows and {states} suppressions are of no brand or no bucket"
        )


async def _verify_bases(tx: Tx, findings: Findings) -> None:
    for row in await queries.bases(tx.conn):
        findings.bases.add(row.basis_id)
        if Basis.from_document(row.document).id != row.basis_id:
            findings.wrong.append(f"the basis of deadlines {row.basis_id} was altered")


async def _verify_place(
    tx: Tx,
    vault: Vault,
    installation_id: UUID,
    walk: _Walk,
    *,
    heads: Mapping[Place, int],
    kept: Sequence[Exported],
    findings: Findings,
) -> None:
    spoken = [
        *[
            Exported(row.position, row.digest, row.made_at, row.signature)
            async for row in checkpoints.kept(tx, walk.place)
        ],
        *kept,
    ]
    spoken_of = {one.position for one in spoken}
    await _walk_rows(tx, vault, walk, spoken_of, findings)
    head = heads.get(walk.place, 0)
    if head != walk.position:
        findings.wrong.append(
            f"{walk}: the head stands at {head}, but the last row is {walk.position}"
        )
    _verify_checkpoints(vault, installation_id, walk, spoken, findings)
    await _verify_states(tx, walk, findings)
    findings.wrong += [f"{walk}: {one}" for one in await tallies.wrong(tx, walk.place, head)]


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
        kept = await _kept(tx, walk, rows)
        for stored in rows:
            row = ledger_row(walk.place, stored)
            findings.rows += 1
            octets = row.to_bytes()
            if not is_sealed(vault.seal_key, octets, stored.seal):
                findings.wrong.append(f"{walk}: row {row.position} is not as prefsvc wrote it")
            findings.wrong += [f"{walk}: {wrong}" for wrong in _wrong_with(walk, row, kept)]
            if (basis_id := _basis_of(row)) and basis_id not in findings.bases:
                findings.wrong.append(f"{walk}: what row {row.position} was counted by is gone")
            walk.digest = next_digest(walk.digest, octets, stored.seal)
            walk.position = row.position
            if row.position in spoken_of:
                walk.digests[row.position] = walk.digest
            replay(walk.followed, row)


def _basis_of(row: LedgerRow) -> str | None:
    return row.deadline.get("basis") if row.deadline else None


async def _kept(tx: Tx, walk: _Walk, rows: Sequence[queries.LedgerPageRow]) -> _Kept:
    evidence = await queries.evidence_of(
        tx.conn, bucket=walk.bucket, event_ids=[row.event_id for row in rows]
    )
    keys = await queries.known_addresses(
        tx.conn, bucket=walk.bucket, address_keys=sorted({row.address_key for row in rows})
    )
    return _Kept({row.event_id: evidence_digest(row.content) for row in evidence}, frozenset(keys))


def _wrong_with(walk: _Walk, row: LedgerRow, kept: _Kept) -> Iterator[str]:
    if row.position != walk.position + 1:
        yield f"rows {walk.position + 1} to {row.position - 1} were removed"
    # No evidence is no fault: erasure takes it.
    if kept.evidence.get(row.event_id, row.evidence_sha256) != row.evidence_sha256:
        yield f"the evidence of row {row.position} was altered"
    if row.address_key not in kept.address_keys:
        yield f"the address of row {row.position} was removed"


def _verify_checkpoints(
    vault: Vault,
    installation_id: UUID,
    walk: _Walk,
    spoken: Sequence[Exported],
    findings: Findings,
) -> None:
    for one in spoken:
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
    expected = dict(walk.followed)
    async for row in _states(tx, walk.place):
        findings.suppressions += 1
        if not _is_expected(row, expected):
            findings.wrong.append(
                f"{walk}: a suppression is not what the ledger says (row {row.position})"
            )
    findings.wrong += [
        f"{walk}: the suppression that follows from row {followed.position} is missing"
        for followed in expected.values()
    ]


def _is_expected(row: queries.StatePageRow, expected: Followed) -> bool:
    """Say whether a stored suppression is what follows, and strike it off."""
    slot = read_slot(row.address_key, row.channel, row.scope, row.topic, row.reason)
    if slot is None:
        return False
    _, _, scope, reason = slot
    stored = State(
        scope, reason, row.active, row.said_at, row.deadline_at, row.event_id, row.unproven
    )
    return expected.pop(slot, None) == Consequence(stored, row.position)


async def _states(tx: Tx, place: Place) -> AsyncIterator[queries.StatePageRow]:
    bucket, brand_id = place
    key, channel, scope, topic, reason = b"", "", "", "", ""
    while rows := await queries.state_page(
        tx.conn,
        bucket=bucket,
        brand_id=brand_id,
        address_key=key,
        channel=channel,
        scope=scope,
        topic=topic,
        reason=reason,
        size=PAGE_ROWS,
    ):
        for row in rows:
            yield row
        last = rows[-1]
        key, channel = last.address_key, last.channel
        scope, topic, reason = last.scope, last.topic, last.reason


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
