"""The pool, and transactions that carry their own clock."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Literal, TypeAlias, TypeVar

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from prefsvc.db.lanes import Lanes, holding

PlainConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Connection: TypeAlias = "PlainConnection | PoolConnectionProxy[asyncpg.Record]"
Json: TypeAlias = Any
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Clock: TypeAlias = Callable[[], datetime]
_T = TypeVar("_T")

SCHEMA = "prefsvc"
"""Where everything of ours lives (ENGINE.md, rule 1: never `public`)."""

_LONGER = 4 / 3
"""So much longer than the server is given for a statement we wait for it."""


def wall_clock() -> datetime:
    """Return the moment now: the one place that asks the machine for it."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Bases:
    """What this process knows of the deadlines' bases: which are stored, and which are wanted.

    A basis is stored in a transaction of its own, so that nobody who records an opt-out waits for
    another who does. Until it is, opt-outs keep their whole reckoning.
    """

    stored: set[str] = field(default_factory=set)
    wanted: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tx:
    """One transaction: its connection, the one moment all its rows agree on, what is known."""

    conn: Connection
    now: datetime
    bases: Bases = field(default_factory=Bases)


@dataclass(frozen=True, slots=True)
class Database:
    """What the doors hold: a pool and a clock."""

    pool: Pool
    opening: Callable[[], Awaitable[object]] = field(repr=False)
    """Opens the pool, until the block ends that made it."""
    clock: Clock = wall_clock
    acquire_timeout_seconds: float = 5
    dsn: str = field(default="", repr=False)
    """For connections outside the pool."""
    bases: Bases = field(default_factory=Bases)
    lanes: Lanes = field(default_factory=lambda: Lanes({}, {}, timeout_seconds=5))

    async def open(self) -> None:
        """Let transactions begin, once; who comes before finds the database away."""
        await self.opening()

    @asynccontextmanager
    async def transaction(self, *, by_keys: bool = False) -> AsyncIterator[Tx]:
        """Begin; commit at the end of the block, roll back on any exception.

        With `by_keys`, no statement reads a table from end to end, whatever its size was when the
        statement was planned: a plan made for a small table, which it stays until the table is next
        analyzed, would in a minute's flood read all that the flood has written, each time.
        """
        # The level is said aloud: the write path waits for row locks and must then see what the
        # other transaction committed, whatever the server's default is.
        async with self._connection() as conn:
            begun = _begun(conn) if by_keys else conn.transaction(isolation="read_committed")
            async with begun:
                yield Tx(conn, self.clock(), self.bases)

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Tx]:
        """Open a connection for statements that read, each a transaction by itself.

        Begin and commit would be two more round trips. Each statement sees a moment of its own, and
        nothing here keeps one from writing: that is what `read` is for.
        """
        async with self._connection() as conn:
            yield Tx(conn, self.clock(), self.bases)

    @asynccontextmanager
    async def read(self, *, snapshot: bool = False) -> AsyncIterator[Tx]:
        """Open a transaction that cannot write.

        With `snapshot`, all its statements see the database as it was at the first of them.
        """
        isolation: Literal["repeatable_read", "read_committed"] = (
            "repeatable_read" if snapshot else "read_committed"
        )
        async with (
            self._connection() as conn,
            conn.transaction(isolation=isolation, readonly=True),
        ):
            yield Tx(conn, self.clock(), self.bases)

    async def renew(self) -> None:
        """Have every connection made anew before it is next used."""
        await self.pool.expire_connections()

    async def ping(self, seconds: float) -> None:
        """Ask the server whether it takes writes, beside the pool, which may be full.

        Raises one of AWAY where it does not.
        """
        async with single(
            self.dsn, connect_timeout_seconds=seconds, statement_timeout_seconds=seconds
        ) as conn:
            if await conn.fetchval("select current_setting('transaction_read_only')") == "on":
                raise ConnectionError("it takes no writes")

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """Take a connection, when it is our turn: one at a time, for who has one waits for none."""
        async with self.lanes.turn():
            with holding():
                async with self.pool.acquire(timeout=self.acquire_timeout_seconds) as conn:
                    yield conn


_BEGIN_BY_KEYS: Final = """\
begin isolation level read committed;
set local enable_seqscan = off;
set local enable_hashjoin = off;
set local enable_mergejoin = off;
set local enable_material = off"""


@asynccontextmanager
async def _begun(conn: Connection) -> AsyncIterator[None]:
    """Begin by keys: all of it is one message to the server, as a mere `begin` would be."""
    await conn.execute(_BEGIN_BY_KEYS)
    try:
        yield
    except BaseException:
        await conn.execute("rollback")
        raise
    await conn.execute("commit")


@asynccontextmanager
async def connect(
    dsn: str,
    *,
    pool_size: int,
    connect_timeout_seconds: float = 10,
    statement_timeout_seconds: float = 30,
    lock_timeout_seconds: float = 10,
    idle_in_transaction_timeout_seconds: float = 60,
    statement_cache_size: int = 1024,
    lanes: Lanes | None = None,
    clock: Clock = wall_clock,
    is_open: bool = True,
) -> AsyncIterator[Database]:
    """Make the pool for the block's length; unless it `is_open`, it is opened by the database.

    A statement that the server has not given up by itself in time is given up here, and in the end
    its connection: a line that was lost says nothing, and would be waited at for ever. With a
    `statement_timeout_seconds` of 0 a statement may take as long as it likes.

    `statement_cache_size` holds every query, and batches in each of their sizes. Behind a pooler
    that passes connections around between transactions (PgBouncer's transaction mode) prepared
    statements go missing: set it to 0 there.
    """
    pool = _pool(
        dsn,
        pool_size=pool_size,
        connect_timeout_seconds=connect_timeout_seconds,
        statement_timeout_seconds=statement_timeout_seconds,
        statement_cache_size=statement_cache_size,
        lock_timeout=lock_timeout_seconds,
        idle_in_transaction_session_timeout=idle_in_transaction_timeout_seconds,
    )
    async with AsyncExitStack() as stack:
        opening = partial(stack.enter_async_context, pool)
        made = Database(pool, opening, clock, connect_timeout_seconds, dsn)
        if is_open:
            await made.open()
        yield replace(made, lanes=lanes) if lanes else made


def _pool(
    dsn: str,
    *,
    pool_size: int,
    connect_timeout_seconds: float,
    statement_timeout_seconds: float,
    statement_cache_size: int,
    **timeouts_seconds: float,
) -> Pool:
    """Make the pool, which nobody has opened; the further timeouts are PostgreSQL's settings."""
    return asyncpg.create_pool(
        dsn,
        min_size=0,  # so that opening it cannot fail: it could not be tried again
        max_size=pool_size,
        init=_prepare,
        reset=_nothing_to_reset,
        timeout=connect_timeout_seconds,
        command_timeout=statement_timeout_seconds * _LONGER or None,
        statement_cache_size=statement_cache_size,
        # A batch of 256 rows is longer than asyncpg caches by default, and none of ours goes stale.
        max_cacheable_statement_size=0,
        max_cached_statement_lifetime=0,
        server_settings=_server_settings(
            statement_timeout=statement_timeout_seconds, **timeouts_seconds
        ),
    )


@asynccontextmanager
async def single(
    dsn: str, *, connect_timeout_seconds: float = 10, statement_timeout_seconds: float = 30
) -> AsyncIterator[PlainConnection]:
    """Open one connection outside any pool, set up as the pool's are: for commands and scripts."""
    conn = await asyncpg.connect(
        dsn,
        timeout=connect_timeout_seconds,
        server_settings=_server_settings(statement_timeout=statement_timeout_seconds),
    )
    try:
        await _prepare(conn)
        yield conn
    finally:
        await conn.close()


def _server_settings(**timeouts_seconds: float) -> dict[str, str]:
    return {
        "application_name": "prefsvc",
        "search_path": SCHEMA,
        "timezone": "UTC",
        "datestyle": "ISO",  # as snapshots write moments (bulk.py)
        "jit": "off",  # compiling costs more than any query of ours takes
        **{name: f"{seconds * 1000:.0f}" for name, seconds in timeouts_seconds.items()},
    }


async def _nothing_to_reset(conn: PlainConnection) -> None:
    """Keep the session as it is: an open transaction is rolled back before we are asked.

    The driver's own reset is one more round trip for every transaction (8 workers: 5,100 instead
    of 8,700 transactions a second). Nothing here outlives a transaction: settings are `set local`,
    and there are no session locks, listeners or cursors (sql/lint.py).
    """


async def _prepare(conn: PlainConnection) -> None:
    # A 2xx means flushed (DESIGN 2.1), so `off` is not ours to accept. Any other level flushes
    # here, and more: it is the operator's choice.
    await conn.execute(
        "select set_config('synchronous_commit', 'on', false)"
        " where current_setting('synchronous_commit') = 'off'"
    )
    await conn.set_type_codec(
        "jsonb", encoder=_jsonb, decoder=_json, schema="pg_catalog", format="binary"
    )


def _jsonb(value: Json) -> bytes:
    return b"\x01" + msgspec.json.encode(value)  # jsonb's wire format begins with its version


def _json(data: bytes) -> Json:
    return msgspec.json.decode(memoryview(data)[1:])


def only(row: asyncpg.Record | None) -> asyncpg.Record:
    """Return the row that the query promised."""
    if row is None:
        raise LookupError("the query promised one row and gave none")
    return row


def every(rows: list[_T], count: int) -> list[_T]:
    """Return the rows if they are as many as were given: ENGINE.md, rule 10."""
    if len(rows) != count:
        raise LookupError(f"the query promised {count} rows and gave {len(rows)}")
    return rows


def affected(tag: str) -> int:
    """Read the row count out of a command tag such as `UPDATE 3`."""
    return int(tag.rsplit(" ", 1)[-1])
