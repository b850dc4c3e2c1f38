"""Snapshots: every suppression of a channel at one cursor, streamed, provably whole.

The last line tells how many lines came before it and their SHA-256, so that a truncated list is
recognised and refused (RULES P-13). In NDJSON it also has the positions that the list goes up to: a
reader of the feed sees from its first page on whether one is missing.
"""

import csv
import hashlib
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from prefsvc.address import Channel
from prefsvc.brands import AppliedBrand
from prefsvc.cursor import BUCKET_COUNT, Cursor
from prefsvc.db import queries
from prefsvc.db.bulk import (
    CSV_COLUMNS,
    Output,
    SnapshotFormat,
    copy_suppressions,
    count_suppressions,
)
from prefsvc.db.connection import Tx
from prefsvc.vault import Vault

PART_BYTES: Final = 1 << 16
"""So much is digested and passed on at once: less, and most of the work would be to pass it on."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which list, and in which form."""

    brand: AppliedBrand
    channel: Channel
    snapshot_format: SnapshotFormat
    is_hashed: bool

    def etag(self, cursor: Cursor) -> str:
        """Return a weak validator: the same suppressions, though not in the same order."""
        what = f"{cursor} {self.channel} {self.snapshot_format} {self.is_hashed}"
        return f'W/"{hashlib.sha256(what.encode()).hexdigest()[:32]}"'


@dataclass(slots=True)
class Written:
    """What has been written: counted, digested, and passed on in parts."""

    output: Output
    count: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    _chunks: list[bytes] = field(default_factory=list)
    _size: int = 0

    async def write(self, chunk: bytes) -> None:
        """Take a chunk of whole or broken lines; pass on what has come together."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size >= PART_BYTES:
            await self.pass_on()

    async def pass_on(self) -> None:
        """Pass on what is left."""
        part = b"".join(self._chunks)
        self._chunks, self._size = [], 0
        self.digest.update(part)
        self.count += part.count(b"\n")
        if part:
            await self.output(part)


async def write(
    tx: Tx,
    vault: Vault,
    wanted: Wanted,
    cursor: Cursor,
    output: Output,
    *,
    timeout_seconds: float,
) -> None:
    """Write the list and its last line; `tx` sees one snapshot, in which the cursor was read."""
    written = Written(output)
    if wanted.snapshot_format == "csv":
        await output(_csv(CSV_COLUMNS))
    listed = await copy_suppressions(
        tx.conn,
        brand_id=wanted.brand.brand_id,
        channel=wanted.channel,
        snapshot_format=wanted.snapshot_format,
        is_hashed=wanted.is_hashed,
        output=written.write,
        timeout_seconds=timeout_seconds,
    )
    # To look for the others takes half as long as the list itself; to count, next to nothing.
    if listed != await count_suppressions(
        tx.conn,
        brand_id=wanted.brand.brand_id,
        channel=wanted.channel,
        timeout_seconds=timeout_seconds,
    ):
        async for line in _erased(tx, vault, wanted):
            await written.write(line)
    await written.pass_on()
    await output(_last_line(wanted, written, cursor))


def _last_line(wanted: Wanted, written: Written, cursor: Cursor) -> bytes:
    sha256 = written.digest.hexdigest()
    if wanted.snapshot_format == "csv":
        return _csv(("#end", str(written.count), sha256, str(cursor)))
    end = {
        "end": True,
        "count": written.count,
        "lines_sha256": sha256,
        "cursor": str(cursor),
        "positions": [(bucket, at) for bucket, at in enumerate(cursor.positions) if at],
    }
    return msgspec.json.encode(end) + b"\n"


async def _erased(tx: Tx, vault: Vault, wanted: Wanted) -> AsyncIterator[bytes]:
    """Write those whose address was erased: the silence is kept, by SHA-256 (promise 10)."""
    for bucket in range(BUCKET_COUNT):
        rows = await queries.sealed_suppressions(
            tx.conn, bucket=bucket, brand_id=wanted.brand.brand_id, channel=wanted.channel
        )
        for row in rows:
            yield _erased_line(vault, wanted, row)


def _erased_line(vault: Vault, wanted: Wanted, row: queries.SealedSuppressionsRow) -> bytes:
    if row.sealed_sha256 is None:
        raise LookupError("a suppression's address is gone: run `prefsvc ledger verify`")
    sha256 = vault.unseal_sha256(row.address_key, row.sealed_sha256).hex()
    since, deadline_at = (
        at.isoformat().replace("+00:00", "Z") for at in (row.said_at, row.deadline_at)
    )
    values = (wanted.channel, None, sha256, row.scope, row.topic, row.reason, since, deadline_at)
    if wanted.snapshot_format == "csv":
        return _csv(tuple(value or "" for value in values))
    line = dict(zip(CSV_COLUMNS, values, strict=True)) | {"topic": row.topic or None}
    if wanted.is_hashed:
        del line["address"]
    return msgspec.json.encode(line) + b"\n"


def _csv(values: tuple[str, ...]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(values)
    return out.getvalue().encode()
