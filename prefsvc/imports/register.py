"""How far imports have come: begun, read up to a line, recorded in each bucket, finished.

An import is known by its name, and going on under that name is all there is to resuming: the list
is read again from its first line, and what a bucket has already is passed over. A list that is not
the same one up to where it was read is refused.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from prefsvc.brands import AppliedBrand
from prefsvc.cursor import BUCKET_COUNT
from prefsvc.db import queries
from prefsvc.db.connection import Json, Tx
from prefsvc.errors import ImportDiffers, ImportUnderWay, UnknownImport
from prefsvc.imports.reading import Reached
from prefsvc.imports.rows import Reading
from prefsvc.ledger_row import canonical_json

Counts: TypeAlias = Counter[str]
"""How many rows, under `channel outcome`."""


@dataclass(frozen=True, slots=True)
class Import:
    """An import of a brand: its name, how its list is read, and how far it was read."""

    import_id: UUID
    name: str
    reading: Json
    begun_at: datetime
    begun_by: str
    reached: Reached
    finished_at: datetime | None
    refused: Mapping[str, int]
    notes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Place:
    """How far an import has come in one bucket, and what came of its rows there."""

    line: int
    counts: Counts


def import_id_of(brand: AppliedBrand, name: str) -> UUID:
    """Return the id of a brand's import of this name; for a file's own name it proves the file."""
    what = canonical_json(["prefsvc import v1", brand.slug, name])
    return UUID(bytes=hashlib.sha256(what).digest()[:16])


def name_of(file_sha256: bytes, reading: Reading) -> str:
    """Name a file after what it holds and how that is read, so that it is imported once."""
    what = canonical_json([file_sha256.hex(), reading.to_document()])
    return f"sha256-{hashlib.sha256(what).hexdigest()[:40]}"


async def begin(tx: Tx, brand: AppliedBrand, name: str, reading: Reading, *, by: str) -> Import:
    """Begin an import, or go on with it; refuse one that was begun with another reading."""
    await queries.begin_import(
        tx.conn,
        import_id=import_id_of(brand, name),
        brand_id=brand.brand_id,
        name=name,
        reading=reading.to_document(),
        begun_at=tx.now,
        begun_by=by,
        lines_sha256=hashlib.sha256().digest(),
    )
    found = await find(tx, brand, name)
    if found.reading != reading.to_document():
        raise ImportDiffers
    return found


async def find(tx: Tx, brand: AppliedBrand, name: str) -> Import:
    """Return a brand's import of this name, or refuse."""
    row = await queries.find_import(
        tx.conn, import_id=import_id_of(brand, name), brand_id=brand.brand_id
    )
    if row is None:
        raise UnknownImport
    return _import(row)


def foreseen(tx: Tx, brand: AppliedBrand, name: str, reading: Reading) -> Import:
    """Return an import as it would begin now."""
    nothing = (0, hashlib.sha256().digest())
    document = reading.to_document()
    return Import(import_id_of(brand, name), name, document, tx.now, "", nothing, None, {}, {})


async def newest(tx: Tx, brand: AppliedBrand, *, size: int) -> list[Import]:
    """Return a brand's imports, the newest first."""
    rows = await queries.brand_imports(tx.conn, brand_id=brand.brand_id, size=size)
    return [_import(row) for row in rows]


def _import(row: queries.FindImportRow | queries.BrandImportsRow) -> Import:
    return Import(
        row.import_id,
        row.name,
        row.reading,
        row.begun_at,
        row.begun_by,
        (row.line, row.lines_sha256),
        row.finished_at,
        row.refused,
        row.notes,
    )


async def places(tx: Tx, import_id: UUID) -> dict[int, Place]:
    """Return how far an import has come, for every bucket."""
    known = {
        row.bucket: Place(row.line, Counter(row.counts))
        for row in await queries.import_places(tx.conn, import_id=import_id)
    }
    return nowhere() | known


def nowhere() -> dict[int, Place]:
    """Return how far an import has come that has not begun."""
    return {bucket: Place(0, Counter()) for bucket in range(BUCKET_COUNT)}


async def counts(tx: Tx, import_id: UUID) -> Counts:
    """Return what came of an import's rows."""
    every = await places(tx, import_id)
    return sum((place.counts for place in every.values()), Counter())


async def note_read(tx: Tx, import_id: UUID, reached: Reached) -> None:
    """Note how far the list was read, before anything of that part is recorded."""
    line, digest = reached
    await queries.note_import_read(tx.conn, import_id=import_id, line=line, lines_sha256=digest)


async def move(tx: Tx, import_id: UUID, bucket: int, before: Place, after: Place) -> None:
    """Move on in a bucket, in the transaction that records what lies between."""
    moved = await queries.move_import_place(
        tx.conn,
        bucket=bucket,
        import_id=import_id,
        line=after.line,
        counts=after.counts,
        before=before.line,
    )
    if not moved:
        raise ImportUnderWay


async def finish(
    tx: Tx,
    import_id: UUID,
    reached: Reached,
    *,
    refused: Mapping[str, int],
    notes: Mapping[str, int],
) -> None:
    """Note that the list was read to its end, and what is to be told of it."""
    line, digest = reached
    await queries.finish_import(
        tx.conn,
        import_id=import_id,
        line=line,
        lines_sha256=digest,
        now=tx.now,
        refused=refused,
        notes=notes,
    )
