"""What a database looks like here that cannot be used, whoever or whatever is to blame.

It is stopping, starting, out of reach, full, overloaded, read-only, or lets us in no more.
"""

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
    asyncpg.ReadOnlySQLTransactionError,  # a standby now, or its provider has stopped writes
    asyncpg.InvalidAuthorizationSpecificationError,  # it lets us in no more
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)
