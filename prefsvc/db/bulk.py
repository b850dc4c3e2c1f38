"""Whole lists: the one place where SQL is not a file, for asyncpg takes that of COPY as text.

The server writes the lines, so a snapshot of millions passes through without a Python object a row.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final, Literal

from prefsvc.db.connection import Connection

SnapshotFormat = Literal["ndjson", "csv"]
Output = Callable[[bytes], Coroutine[None, None, None]]

LARGE_PIECE_BYTES: Final = 1 << 16
FILLING_SECONDS: Final = 0.001
"""In this time the server about fills the socket, and never has to wait long for room."""

CSV_COLUMNS = ("channel", "address", "sha256", "scope", "topic", "reason", "since", "deadline_at")

_SHA256 = "encode(sha256(convert_to(a.canonical, 'UTF8')), 'hex')"
# As PostgreSQL writes a timestamp in ISO style (connection.py), with a T and a Z: to_char and its
# pattern would be a fifth of the cost of a line.
_UTC = "(s.{} at time zone 'UTC')::text"
_SINCE = f"replace({_UTC.format('said_at')}, ' ', 'T') || 'Z'"
_DEADLINE = f"replace({_UTC.format('deadline_at')}, ' ', 'T') || 'Z'"
_FROM = """
from suppression as s
join address as a on a.bucket = s.bucket and a.address_key = s.address_key
where s.brand_id = $1 and s.channel = $2 and s.active and a.canonical is not null
"""
# Each piece that is joined to a line costs as much as a word of it. So what nearly all lines say is
# one piece, what is the same in all of them is joined before the first, and two moments are one.
_USUAL = "s.scope = 'channel' and s.topic = '' and s.reason = 'opt_out'"
_WHY = f"""
case when {_USUAL} then '","scope":"channel","topic":null,"reason":"opt_out","since":"'
    else '","scope":"' || s.scope
        || '","topic":' || coalesce(to_json(nullif(s.topic, ''))::text, 'null')
        || ',"reason":"' || s.reason || '","since":"'
end"""
_MOMENTS = f"""
replace(
    {_UTC.format("said_at")} || 'Z","deadline_at":"' || {_UTC.format("deadline_at")}, ' ', 'T'
)"""
_JSON_PLAIN = """'"address":' || to_json(a.canonical)::text || ',"sha256":"'"""
_JSON_HASHED = """'"sha256":"'"""
_JSON_LINE = f"""
select '{{"channel":"' || $2 || '",' || @address@ || {_SHA256} || {_WHY} || {_MOMENTS} || 'Z"}}'
    as line
{_FROM}"""
_CSV_LINE = f"""
select s.channel, @address@ as address, {_SHA256} as sha256, s.scope, s.topic, s.reason,
    {_SINCE} as since, {_DEADLINE} as deadline_at
{_FROM}"""


_COUNT = """
select count(*)
from suppression
where brand_id = $1 and channel = $2 and active
"""


async def count_suppressions(
    conn: Connection, *, brand_id: int, channel: str, timeout_seconds: float
) -> int:
    """Count the active suppressions of a brand and channel, in the time that a list may take."""
    count: int = await conn.fetchval(_COUNT, brand_id, channel, timeout=timeout_seconds)
    return count


async def copy_suppressions(
    conn: Connection,
    *,
    brand_id: int,
    channel: str,
    snapshot_format: SnapshotFormat,
    is_hashed: bool,
    output: Output,
    timeout_seconds: float,
) -> int:
    """Write the active suppressions of a brand and channel whose address is known; count them.

    `is_hashed` leaves the addresses out. One line each: JSON, or CSV in the order of CSV_COLUMNS.
    """
    if snapshot_format == "ndjson":
        address = _JSON_HASHED if is_hashed else _JSON_PLAIN
        # JSON text holds no raw control character, so with two of them as quote and delimiter
        # COPY has nothing to escape and writes each line as it is.
        query, delimiter, quote = _JSON_LINE, "\x02", "\x01"
    else:
        address = "null::text" if is_hashed else "a.canonical"
        query, delimiter, quote = _CSV_LINE, ",", '"'
    status = await conn.copy_from_query(
        query.replace("@address@", address),
        brand_id,
        channel,
        output=_in_large_pieces(output),
        format="csv",
        delimiter=delimiter,
        quote=quote,
        timeout=timeout_seconds,
    )
    return int(status.removeprefix("COPY "))


def _in_large_pieces(output: Output) -> Output:
    """Let the server write more than the 8 KiB that it sends at a time before it is read again.

    Each piece costs a round of the event loop, whatever is in it.
    """

    async def passed_on(piece: bytes) -> None:
        await output(piece)
        if len(piece) < LARGE_PIECE_BYTES:
            await asyncio.sleep(FILLING_SECONDS)

    return passed_on
