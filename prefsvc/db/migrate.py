"""Apply sql/migrations in order, once each, however many processes start at once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import asyncpg

from prefsvc.db.connection import SCHEMA, PlainConnection, only
from prefsvc.db.sql_files import Migration, migrations_folder, read_migrations
from prefsvc.db.sql_text import statements
from prefsvc.errors import (
    DatabaseAhead,
    MigrationEdited,
    MigrationsIncomplete,
    SchemaForbidden,
    UnsupportedServer,
)

_LOCK = 0x7072656673766300  # "prefsvc" and a zero; advisory locks are one database's own
_POLL_SECONDS = 0.1
_OLDEST, _NEWEST = 14, 18
_IN_THE_WAY = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
_LEDGER = f"""
create table if not exists {SCHEMA}.schema_migration (
    version    integer not null,
    name       text not null,
    sha256     text not null,
    applied_at timestamptz not null,
    constraint schema_migration_pkey primary key (version),
    constraint schema_migration_version_counts_from_1 check (version > 0)
)"""


class MigrationError(Exception):
    """A migration could not be applied; the message says which, where and why."""


@dataclass(frozen=True, slots=True)
class Status:
    """How the database stands to the migrations of this version of prefsvc."""

    state: Literal["current", "behind", "ahead", "edited"]
    detail: str
    pending: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Patience:
    """Until when to wait, by the event loop's clock, and how long for a table at a time."""

    deadline: float
    lock_timeout_seconds: float

    @property
    def is_over(self) -> bool:
        """Whether we have waited for as long as we were told."""
        return asyncio.get_running_loop().time() > self.deadline


async def migrate(
    conn: PlainConnection,
    folder: Path | None = None,
    *,
    wait_seconds: float = 300,
    lock_timeout_seconds: float = 3,
) -> list[str]:
    """Apply what is missing; return the names applied by this call.

    Any number of processes may call it at once: one applies, the others wait for at most
    `wait_seconds`. The connection must be a session of its own, not one that a pooler shares
    between transactions, and on Citus lead to the coordinator (ENGINE.md, rule 11).
    """
    if conn.is_in_transaction():
        raise MigrationError("migrations begin their own transactions; pass a connection without")
    files = read_migrations(folder or migrations_folder())
    await _check_server(conn)
    patience = Patience(asyncio.get_running_loop().time() + wait_seconds, lock_timeout_seconds)
    try:
        return await _migrate(conn, files, patience)
    except asyncpg.InsufficientPrivilegeError as error:
        role = await conn.fetchval("select quote_ident(current_user)")
        raise SchemaForbidden(
            f"The role {role} may not make the schema {SCHEMA} or use it ({error}); as the "
            f"database's owner run `create schema {SCHEMA} authorization {role}` and start again."
        ) from error


async def _migrate(
    conn: PlainConnection, files: Sequence[Migration], patience: Patience
) -> list[str]:
    if not _missing(files, await _applied(conn)):
        return []  # the usual start: nothing to do, so nothing to wait for
    async with _only_one(conn, patience):
        await _make_ledger(conn)
        missing = _missing(files, await _applied(conn))
        for migration in missing:
            await _apply_between_others(conn, migration, patience)
    return [migration.name for migration in missing]


async def status(conn: PlainConnection, folder: Path | None = None) -> Status:
    """Say how the database stands, changing nothing."""
    files = read_migrations(folder or migrations_folder())
    try:
        missing = _missing(files, await _applied(conn))
    except DatabaseAhead as refusal:
        return Status("ahead", str(refusal))
    except MigrationEdited as refusal:
        return Status("edited", str(refusal))
    if missing:
        names = tuple(migration.name for migration in missing)
        return Status(
            "behind", f"Not applied yet: {', '.join(names)}; `prefsvc serve` applies it.", names
        )
    return Status("current", f"All {len(files)} migrations are applied.")


async def _check_server(conn: PlainConnection) -> None:
    row = await conn.fetchrow(
        "select current_setting('server_version_num')::int / 10000 as major,"
        " current_setting('server_encoding') as encoding, pg_is_in_recovery() as is_standby"
    )
    major, encoding, is_standby = only(row)
    check_server(major, encoding, is_standby=is_standby)


def check_server(major: int, encoding: str, *, is_standby: bool) -> None:
    """Refuse a server that the register could not live on."""
    if not _OLDEST <= major <= _NEWEST:
        raise UnsupportedServer(
            f"This server is PostgreSQL {major}; prefsvc is tried with {_OLDEST} to {_NEWEST}. "
            "Give it one of those."
        )
    if encoding != "UTF8":
        raise UnsupportedServer(
            f"The database's encoding is {encoding}, and addresses need UTF8; make one with "
            "`create database prefsvc encoding 'UTF8' template template0`."
        )
    if is_standby:
        raise UnsupportedServer("This server is a standby and read-only; connect to the primary.")


async def _applied(conn: PlainConnection) -> dict[int, tuple[str, str]]:
    if await conn.fetchval("select to_regclass($1)", f"{SCHEMA}.schema_migration") is None:
        return {}
    rows = await conn.fetch(f"select version, name, sha256 from {SCHEMA}.schema_migration")  # noqa: S608
    return {row["version"]: (row["name"], row["sha256"]) for row in rows}


def _missing(files: Sequence[Migration], applied: dict[int, tuple[str, str]]) -> list[Migration]:
    """Compare; refuse what no amount of migrating can mend."""
    if newer := sorted(applied.keys() - {migration.version for migration in files}):
        raise DatabaseAhead(
            f"A newer prefsvc has migrated this database (up to {applied[newer[-1]][0]}; this one "
            f"ends with {files[-1].name}); start that version, or restore a backup made before."
        )
    for migration in files:
        if applied.get(migration.version, ("", migration.sha256))[1] != migration.sha256:
            raise MigrationEdited(
                f"{migration.name} was edited after it was applied here; restore the file as it "
                "was released and put the change in a new migration."
            )
    missing = [migration for migration in files if migration.version not in applied]
    if missing and applied and missing[0].version < max(applied):
        raise MigrationsIncomplete(
            f"{missing[0].name} is not applied although later ones are: rows of "
            f"{SCHEMA}.schema_migration were deleted; restore them from a backup."
        )
    return missing


@asynccontextmanager
async def _only_one(conn: PlainConnection, patience: Patience) -> AsyncIterator[None]:
    # Polled: a session blocked in pg_advisory_lock() holds a snapshot, and another's
    # `create index concurrently` would wait for it: a deadlock. The lock goes with its
    # connection, so a killed process leaves nothing to break.
    while not await conn.fetchval("select pg_try_advisory_lock($1)", _LOCK):
        if patience.is_over:
            raise MigrationError(await _who_is_migrating(conn))
        await asyncio.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        if not conn.is_closed():
            await conn.execute("select pg_advisory_unlock($1)", _LOCK)


async def _who_is_migrating(conn: PlainConnection) -> str:
    row = await conn.fetchrow(
        "select a.pid, coalesce(a.client_addr::text, 'a local socket') as host,"
        " extract(epoch from clock_timestamp() - a.state_change)::int as seconds"
        " from pg_locks as l join pg_stat_activity as a on a.pid = l.pid"
        " where l.locktype = 'advisory' and l.granted and l.objsubid = 1"
        " and l.database = (select oid from pg_database where datname = current_database())"
        " and (l.classid::bigint << 32 | l.objid::bigint) = $1",
        _LOCK,
    )
    if row is None:
        return "Others were migrating this database all the while; start again."
    return (
        "Another process has been migrating this database for too long: server process "
        f"{row['pid']} from {row['host']}, at its present step for {row['seconds']} seconds. Wait "
        f"for it and start again, or end it with `select pg_terminate_backend({row['pid']})`."
    )


async def _make_ledger(conn: PlainConnection) -> None:
    # Asked first: `if not exists` wants the privilege even where the schema exists.
    if await conn.fetchval("select to_regnamespace($1)", SCHEMA) is None:
        await conn.execute(f"create schema {SCHEMA}")
    await conn.execute(_LEDGER)


async def _apply_between_others(
    conn: PlainConnection, migration: Migration, patience: Patience
) -> None:
    # Whoever waits for a table lock makes everybody queue behind it. So we give up after a few
    # seconds, let the others through, and try again.
    while True:
        try:
            return await _apply(conn, migration, patience.lock_timeout_seconds)
        except _IN_THE_WAY as error:
            if patience.is_over:
                raise MigrationError(
                    f"{migration.name} found its tables locked by others again and again; "
                    "end long transactions, or start again at a quieter time."
                ) from error
        await asyncio.sleep(_POLL_SECONDS)


async def _apply(conn: PlainConnection, migration: Migration, lock_timeout_seconds: float) -> None:
    if migration.is_transactional:
        async with conn.transaction(isolation="read_committed"):
            await _prepare_session(conn, "local", lock_timeout_seconds)
            await _run(conn, migration, migration.text)
            await _remember(conn, migration)
        return
    try:
        # No lock timeout: what may stand here (an index built concurrently) waits for old
        # transactions by design, and nobody queues behind it.
        await _prepare_session(conn, "session", 0)
        for statement in statements(migration.text):
            await _run(conn, migration, statement)
    finally:
        if not conn.is_closed():
            await conn.execute("reset all")
    await _remember(conn, migration)


async def _prepare_session(
    conn: PlainConnection, reach: Literal["local", "session"], lock_timeout_seconds: float
) -> None:
    await conn.execute(
        f"set {reach} search_path = {SCHEMA};"
        f"set {reach} statement_timeout = 0;"
        f"set {reach} lock_timeout = {round(lock_timeout_seconds * 1000)};"
        # ENGINE.md, rule 2; a placeholder that plain PostgreSQL takes without a word.
        f"set {reach} citus.enable_local_reference_table_foreign_keys = off"
    )


async def _run(conn: PlainConnection, migration: Migration, text: str) -> None:
    try:
        await conn.execute(text)
    except _IN_THE_WAY:
        raise
    except asyncpg.PostgresError as error:
        remains = "nothing" if migration.is_transactional else "what stood before"
        # Not `from error`: its DETAIL may quote a row, and no address may reach a log.
        raise MigrationError(
            f"{migration.name}{_line(migration, text, error)}: {error.args[0]} ({error.sqlstate}); "
            f"{remains} remains of it. Mend the cause and start again."
        ) from None


def _line(migration: Migration, text: str, error: asyncpg.PostgresError) -> str:
    # PostgreSQL gives the place of what it cannot read, none of what fails as it runs.
    if error.position is None and migration.is_transactional:
        return ""
    place = migration.text.find(text) + int(error.position or 1) - 1
    return f", line {migration.text.count(chr(10), 0, place) + 1}"


async def _remember(conn: PlainConnection, migration: Migration) -> None:
    await conn.execute(
        f"insert into {SCHEMA}.schema_migration (version, name, sha256, applied_at)"  # noqa: S608
        " values ($1, $2, $3, clock_timestamp())",
        migration.version,
        migration.name,
        migration.sha256,
    )
