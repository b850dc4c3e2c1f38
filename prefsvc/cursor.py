"""Feed cursors: the place read up to in each of a brand's 64 buckets.

A cursor is opaque to those who hold it: base64url of a version byte, the feed epoch (16 bytes), the
brand (4 bytes), the 64 positions as unsigned LEB128, and a 4-byte check against damage. It carries
the epoch, so one from before a restore or failover is refused instead of silently reread.
"""

import base64
import binascii
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from typing_extensions import override

from prefsvc.errors import InvalidCursor

BUCKET_COUNT = 64
TEXT_LENGTH_MAX = 1024
_VERSION = 1
_POSITION_MAX = 2**63 - 1
_FIXED_BYTES = 1 + 16 + 4


@dataclass(frozen=True, slots=True)
class Cursor:
    """Everything up to these positions, in this history of this brand's feed."""

    epoch: UUID
    brand_id: int
    positions: tuple[int, ...]

    def __post_init__(self) -> None:
        """Insist on a position for every bucket."""
        if len(self.positions) != BUCKET_COUNT:
            raise ValueError(f"{len(self.positions)} positions, not {BUCKET_COUNT}")

    @classmethod
    def start(cls, epoch: UUID, brand_id: int) -> Self:
        """Return the cursor before the first position."""
        return cls(epoch, brand_id, (0,) * BUCKET_COUNT)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a cursor back; raise InvalidCursor unless it is exactly as it was given out."""
        raw = _decode(text)
        body, check = raw[:-4], raw[-4:]
        if len(raw) < _FIXED_BYTES + 4 or body[0] != _VERSION or _check(body) != check:
            raise InvalidCursor
        epoch = UUID(bytes=body[1:17])
        cursor = cls(epoch, int.from_bytes(body[17:21], "big"), _positions(body[21:]))
        if str(cursor) != text:
            raise InvalidCursor
        return cursor

    @override
    def __str__(self) -> str:
        """Write the cursor as it is given out."""
        body = bytes([_VERSION]) + self.epoch.bytes + self.brand_id.to_bytes(4, "big")
        body += b"".join(_varint(position) for position in self.positions)
        return base64.urlsafe_b64encode(body + _check(body)).rstrip(b"=").decode()

    def behind(self, other: "Cursor") -> list[int]:
        """List the buckets in which this cursor is behind the other."""
        pairs = zip(self.positions, other.positions, strict=True)
        return [bucket for bucket, (mine, theirs) in enumerate(pairs) if mine < theirs]

    def moved(self, bucket: int, position: int) -> "Cursor":
        """Return this cursor with one bucket read up to another position."""
        return self.moved_each({bucket: position})

    def moved_each(self, positions: Mapping[int, int]) -> "Cursor":
        """Return this cursor with several buckets read up to other positions."""
        moved = (positions.get(bucket, at) for bucket, at in enumerate(self.positions))
        return Cursor(self.epoch, self.brand_id, tuple(moved))


def from_heads(epoch: UUID, brand_id: int, heads: Sequence[tuple[int, int]]) -> Cursor:
    """Return the cursor at these (bucket, position) heads."""
    positions = [0] * BUCKET_COUNT
    for bucket, position in heads:
        positions[bucket] = position
    return Cursor(epoch, brand_id, tuple(positions))


def _decode(text: str) -> bytes:
    if len(text) > TEXT_LENGTH_MAX or not text.isascii():
        raise InvalidCursor
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise InvalidCursor from None


def _check(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "big")


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:  # noqa: PLR2004 - seven bits a byte, the eighth says that more follow
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _positions(raw: bytes) -> tuple[int, ...]:
    positions: list[int] = []
    number = shift = 0
    for byte in raw:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004
            positions.append(number)
            number = shift = 0
    if shift or len(positions) != BUCKET_COUNT or max(positions) > _POSITION_MAX:
        raise InvalidCursor
    return tuple(positions)
