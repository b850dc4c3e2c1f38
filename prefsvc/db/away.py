"""What a database that is stopping, starting, out of reach, full or overloaded looks like here."""

from typing import Final

import asyncpg

AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,  # no disk, memory or connections left
    asyncpg.PostgresSystemError,  # its disk fails
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
)
