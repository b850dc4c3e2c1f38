"""Taking back what forged mail has put: the finding that the persons never said it (RULES E-34).

Only the person lifts an opt-out, and this lifts none: what it lifts is nobody's word. A suppression
stays if anything else has put it or said it again: a click, a text, a mail that somebody vouches
for, a mail of another origin or time, or somebody who decided a review.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from prefsvc import opt_outs
from prefsvc.address import parse_channel
from prefsvc.brands import AppliedBrand
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.evidence import Evidence
from prefsvc.ledger import Place, earliest_event_id
from prefsvc.opt_outs import Act
from prefsvc.recipients import Recipient
from prefsvc.suppression import FORGED_MAIL, UNPROVEN_SOURCES, Scope, parse_reason
from prefsvc.vault import Vault

_SOURCES: Final = sorted(UNPROVEN_SOURCES.values())
_ORIGINS: Final = ("origin_host", "origin_domain", "handed_over_by")

Slot: TypeAlias = tuple[bytes, str, str, str, str]
"""An address, a channel, a scope with its topic, and a reason, as they are stored."""
_Row: TypeAlias = queries.ClaimedOptOutsRow | queries.ClaimsAboutRow


@dataclass(frozen=True, slots=True)
class Selection:
    """Which mails are forged: those recorded in a time, of one origin where one is named."""

    since: datetime
    until: datetime
    origin: str | None = None

    @property
    def first(self) -> UUID:
        """Return an id that all of its events come after."""
        return UUID(int=max(earliest_event_id(self.since).int - 1, 0))

    @property
    def end(self) -> UUID:
        """Return an id that all of its events come before."""
        return earliest_event_id(self.until)

    def has(self, row: _Row) -> bool:
        """Say whether a claim is one of these mails."""
        return self.first < row.event_id < self.end and self.is_from_there(row.evidence or {})

    def is_from_there(self, evidence: Evidence) -> bool:
        """Say whether a mail came from the origin; one whose evidence was erased did not."""
        return self.origin is None or any(evidence.get(one) == self.origin for one in _ORIGINS)


@dataclass(frozen=True, slots=True)
class Finding:
    """Who found which mails to be forged, and what they had to say; the batch is what they did."""

    selection: Selection
    batch_id: UUID
    by: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One page of forged requests: whom they claim to be from, and how to go on."""

    slots: dict[Slot, UUID] = field(repr=False)
    """With the last claim of each."""
    request_count: int
    read_count: int
    last: UUID


async def find(
    tx: Tx, place: Place, selection: Selection, *, after: UUID | None, size: int
) -> Found | None:
    """Find forged requests of one brand and bucket, in their order; None where there are no more.

    Of those that were read, some may have come from elsewhere.
    """
    bucket, brand_id = place
    rows = await queries.claimed_opt_outs(
        tx.conn,
        bucket=bucket,
        brand_id=brand_id,
        after=max(after or selection.first, selection.first),
        until=selection.end,
        sources=_SOURCES,
        size=size,
    )
    if not rows:
        return None
    forged = [row for row in rows if selection.has(row)]
    slots = {_slot(row): row.event_id for row in forged}
    return Found(slots, len(forged), len(rows), rows[-1].event_id)


async def liftable(tx: Tx, place: Place, selection: Selection, found: Found) -> list[Slot]:
    """Return which suppressions stand by forged mail alone."""
    standing = await _standing(tx, place, found.slots)
    if not standing:
        return []
    bucket, brand_id = place
    others: set[Slot] = set()
    for row in await queries.claims_about(
        tx.conn,
        bucket=bucket,
        brand_id=brand_id,
        address_keys=sorted({slot[0] for slot in standing}),
        sources=_SOURCES,
    ):
        if row.effect == "lifted":
            others.discard(_slot(row))  # what was said before it holds nothing any more
        elif not selection.has(row):
            others.add(_slot(row))
    return [slot for slot in found.slots if slot in standing and slot not in others]


async def _standing(tx: Tx, place: Place, slots: Iterable[Slot]) -> set[Slot]:
    bucket, brand_id = place
    keys = sorted({slot[0] for slot in slots})
    rows = await queries.states(tx.conn, bucket=bucket, brand_id=brand_id, address_keys=keys)
    return {
        (row.address_key, row.channel, row.scope, row.topic, row.reason)
        for row in rows
        if row.active and row.unproven
    }


async def take_back(
    tx: Tx, vault: Vault, brand: AppliedBrand, finding: Finding, found: Found
) -> int:
    """Lift what stands by these mails alone; return how many suppressions that was.

    All of them are of one bucket, whose head is locked first: whatever is said meanwhile comes
    wholly before, and is seen, or wholly after, and stands.
    """
    if not found.slots:
        return 0
    recipients = {slot: _recipient(slot) for slot in found.slots}
    place = (next(iter(recipients.values())).bucket, brand.brand_id)
    await opt_outs.lock(tx, vault, brand, next(iter(recipients.values())))
    forged = await liftable(tx, place, finding.selection, found)
    acts = [
        _act(brand, recipients[slot], slot, _evidence(finding, found.slots[slot]))
        for slot in forged
    ]
    made = await opt_outs.withdraw(tx, vault, acts) if acts else []
    return sum(one.effect == "lifted" for one in made)


def _slot(row: _Row) -> Slot:
    return (row.address_key, row.channel, row.scope, row.topic, row.reason)


def _recipient(slot: Slot) -> Recipient:
    key, channel, *_ = slot
    return Recipient(key, parse_channel(channel), None)


def _act(brand: AppliedBrand, recipient: Recipient, slot: Slot, evidence: Evidence) -> Act:
    _, _, scope, topic, reason = slot
    return Act(
        brand,
        recipient,
        Scope.parse(scope, topic),
        FORGED_MAIL,
        evidence,
        reason=parse_reason(reason),
    )


def _evidence(finding: Finding, event_id: UUID) -> Evidence:
    selection = finding.selection
    return {
        "takes_back": str(event_id),
        "batch_id": str(finding.batch_id),
        "decided": {"by": finding.by, "note": finding.note},
        "since": selection.since.isoformat(),
        "until": selection.until.isoformat(),
        "origin": selection.origin,
    }
