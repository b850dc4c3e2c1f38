"""COPY: the one place where SQL is not a file, because asyncpg takes COPY's statements as text.

The server writes the lines, so a snapshot of millions passes through without a Python object a row.
"""

from collections.abc import Callable, Coroutine
from typing import Literal

from prefsvc.db.connection import Connection

SnapshotFormat = Literal["ndjson", "csv"]
Output = Callable[[bytes], Coroutine[None, None, None]]

CSV_COLUMNS = ("channel", "address", "sha256", "scope", "topic", "reason", "since", "deadline_at")

_SHA256 = "encode(sha256(convert_to(a.canonical, 'UTF8')), 'hex')"
# As PostgreSQL writes a timestamp in ISO style (connection.py), with a T and a Z: to_char and its
# pattern would be a fifth of the cost of a line.
_SINCE = "replace((s.said_at at time zone 'UTC')::text, ' ', 'T') || 'Z'"
_DEADLINE = "replace((s.deadline_at at time zone 'UTC')::text, ' ', 'T') || 'Z'"
_FROM = """
from suppression as s
join address as a on a.bucket = s.bucket and a.address_key = s.address_key
where s.brand_id = $1 and s.channel = $2 and s.active and a.canonical is not null
"""
_JSON_LINE = f"""
select '{{"channel":"' || s.channel || '",' || @address@ || '"sha256":"' || {_SHA256}
    || '","scope":"' || s.scope
    || '","topic":' || coalesce(to_json(nullif(s.topic, ''))::text, 'null')
    || ',"reason":"' || s.reason || '","since":"' || {_SINCE} || '","deadline_at":"' || {_DEADLINE}
    || '"}}' as line
{_FROM}"""
_CSV_LINE = f"""
select s.channel, @address@ as address, {_SHA256} as sha256, s.scope, s.topic, s.reason,
    {_SINCE} as since, {_DEADLINE} as deadline_at
{_FROM}"""


async def copy_suppressions(
    conn: Connection,
    *,
    brand_id: int,
    channel: str,
    snapshot_format: SnapshotFormat,
    is_hashed: bool,
    output: Output,
    timeout_seconds: float,
) -> None:
    """Write the active suppressions of a brand and channel whose address is known.

    `is_hashed` leaves the addresses out. One line each: JSON, or CSV in the order of CSV_COLUMNS.
    """
    if snapshot_format == "ndjson":
        address = "''" if is_hashed else """'"address":' || to_json(a.canonical)::text || ','"""
        # JSON text holds no raw control character, so with two of them as quote and delimiter
        # COPY has nothing to escape and writes each line as it is.
        query, delimiter, quote = _JSON_LINE, "\x02", "\x01"
    else:
        address = "null::text" if is_hashed else "a.canonical"
        query, delimiter, quote = _CSV_LINE, ",", '"'
    await conn.copy_from_query(
        query.replace("@address@", address),
        brand_id,
        channel,
        output=output,
        format="csv",
        delimiter=delimiter,
        quote=quote,
        timeout=timeout_seconds,
    )
