"""Cases: what people have to look into, from opening to resolution.

A case is about one sender: that it was overdue, or that it sent after a deadline. Of each kind and
mailing one is open at a time; what is resolved stays so, and what happens after opens a new one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from prefsvc.brands import AppliedBrand
from prefsvc.db import queries
from prefsvc.db.connection import Json, Tx
from prefsvc.errors import CaseResolved, UnknownCase, UnknownViolation
from prefsvc.ledger import bucket_of_event
from prefsvc.sender import Sender

CaseKind = Literal["overdue", "violation"]

_KINDS: dict[str, CaseKind] = {"overdue": "overdue", "violation": "violation"}
_OURSELVES = "prefsvc"


@dataclass(frozen=True, slots=True)
class Case:
    """A case; `mailing` is None where none was named.

    `evidence` is what was known at the opening. Until it is resolved, `resolved_at`, `cause` and
    `resolved_by` are None.
    """

    case_id: UUID
    sender: str
    kind: CaseKind
    mailing: str | None
    opened_at: datetime
    evidence: Json
    violation_count: int
    recovered_at: datetime | None
    resolved_at: datetime | None
    cause: str | None
    resolved_by: str | None


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody, or prefsvc itself, wrote down about a case."""

    note_id: UUID
    noted_at: datetime
    noted_by: str
    note: str


@dataclass(frozen=True, slots=True)
class Opened:
    """An open case, whether it is new, and how many violations are in it."""

    case_id: UUID
    is_new: bool
    violation_count: int


async def open_overdue(tx: Tx, sender: Sender, evidence: Json) -> UUID:
    """Open a case because a sender is overdue; return the open one if there is one."""
    opened = await _open(tx, sender, "overdue", evidence)
    if not opened.is_new and await queries.case_relapsed(tx.conn, case_id=opened.case_id):
        await note(tx, opened.case_id, _OURSELVES, "The sender is overdue again.")
    return opened.case_id


async def open_violation(
    tx: Tx, sender: Sender, mailing: str | None, evidence: Json, *, count: int
) -> Opened:
    """Open a case for violations of a mailing, or add this many to the one that is open."""
    return await _open(tx, sender, "violation", evidence, mailing=mailing or "", count=count)


async def _open(
    tx: Tx, sender: Sender, kind: CaseKind, evidence: Json, *, mailing: str = "", count: int = 0
) -> Opened:
    new_id = uuid4()
    row = await queries.open_case(
        tx.conn,
        case_id=new_id,
        sender_id=sender.sender_id,
        kind=kind,
        mailing=mailing,
        opened_at=tx.now,
        evidence=evidence,
        violation_count=count,
    )
    return Opened(row.case_id, row.case_id == new_id, row.violation_count)


async def recovered(tx: Tx, sender_id: UUID) -> None:
    """Note in a sender's open overdue case that it has caught up; the case stays open."""
    row = await queries.case_recovered(tx.conn, sender_id=sender_id, now=tx.now)
    if row:
        await note(tx, row.case_id, _OURSELVES, "The sender has caught up.")


async def page(
    tx: Tx,
    brand: AppliedBrand,
    *,
    is_open: bool | None = None,
    sender: Sender | None = None,
    after: Case | None = None,
    size: int,
) -> list[Case]:
    """Read cases, newest first, after one that was read before."""
    rows = await queries.case_page(
        tx.conn,
        brand_id=brand.brand_id,
        sender_id=sender.sender_id if sender else None,
        is_open=is_open,
        before=after.opened_at if after else None,
        before_id=after.case_id if after else None,
        size=size,
    )
    return [_case(row) for row in rows]


async def find(tx: Tx, brand: AppliedBrand, case_id: UUID) -> Case:
    """Return a case of the brand, or refuse."""
    row = await queries.case_by_id(tx.conn, case_id=case_id, brand_id=brand.brand_id)
    if row is None:
        raise UnknownCase
    return _case(row)


def _case(row: queries.CasePageRow | queries.CaseByIdRow) -> Case:
    return Case(
        row.case_id,
        row.sender,
        _KINDS[row.kind],
        row.mailing or None,
        row.opened_at,
        row.evidence,
        row.violation_count,
        row.recovered_at,
        row.resolved_at,
        row.cause,
        row.resolved_by,
    )


async def notes(tx: Tx, case: Case, *, size: int) -> list[Note]:
    """Read what was noted about a case last, so many, the oldest of them first."""
    rows = await queries.case_notes(tx.conn, case_id=case.case_id, size=size)
    return [Note(row.note_id, row.noted_at, row.noted_by, row.note) for row in reversed(rows)]


async def note_count(tx: Tx, case: Case) -> int:
    """Count what was noted about a case."""
    return await queries.case_note_count(tx.conn, case_id=case.case_id)


async def violations(
    tx: Tx, case: Case, *, after: UUID | None, size: int
) -> Sequence[queries.CaseViolationsRow]:
    """Read the violations of a case in the order they were sent, after one that was read before."""
    after_at = await _sent_at(tx, case, after) if after else None
    return await queries.case_violations(
        tx.conn, case_id=case.case_id, after=after_at, after_id=after, size=size
    )


async def _sent_at(tx: Tx, case: Case, violation_id: UUID) -> datetime:
    row = await queries.case_violation(
        tx.conn,
        bucket=bucket_of_event(violation_id),
        violation_id=violation_id,
        case_id=case.case_id,
    )
    if row is None:
        raise UnknownViolation
    return row.sent_at


async def note(tx: Tx, case_id: UUID, by: str, text: str) -> Note:
    """Write something down about a case, open or resolved."""
    made = Note(uuid4(), tx.now, by, text)
    await queries.keep_note(
        tx.conn,
        case_id=case_id,
        note_id=made.note_id,
        noted_at=made.noted_at,
        noted_by=made.noted_by,
        note=made.note,
    )
    return made


async def resolve(
    tx: Tx, brand: AppliedBrand, case_id: UUID, *, by: str, cause: str, text: str | None
) -> Case:
    """Resolve a case with its cause, and a note if there is one to write.

    Once: the same cause again changes nothing, another is refused.
    """
    await find(tx, brand, case_id)
    is_first = await queries.resolve_case(
        tx.conn, case_id=case_id, now=tx.now, cause=cause, resolved_by=by
    )
    resolved = await find(tx, brand, case_id)
    if not is_first and resolved.cause != cause:
        raise CaseResolved
    if is_first and text:
        await note(tx, case_id, by, text)
    return resolved
