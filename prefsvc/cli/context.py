"""What every command needs: the database, wherever it is, and the service's parts around it."""

import asyncio
import getpass
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from prefsvc import app, engine
from prefsvc.doors import Service
from prefsvc.settings import Settings
from prefsvc.vault import Vault, open_vault

if TYPE_CHECKING:
    from argparse import _SubParsersAction

Commands: TypeAlias = "_SubParsersAction[ArgumentParser]"

T = TypeVar("T")
Command = Callable[[Settings, Namespace], int]


def vault_of(settings: Settings) -> Vault:
    """Open the secrets; only an embedded installation makes its own."""
    return open_vault(settings, make_missing=settings.database_url is None)


@contextmanager
def dsn_of(settings: Settings) -> Iterator[str]:
    """Yield how to connect: to your own PostgreSQL, the running service's, or one run for this."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    with engine.connected(
        settings.data_dir,
        bindir=settings.pg_bindir,
        start_timeout_seconds=settings.engine_start_timeout_seconds,
    ) as dsn:
        yield dsn


def with_service(settings: Settings, work: Callable[[Service], Coroutine[None, None, T]]) -> T:
    """Open the service for one piece of work."""
    vault = vault_of(settings)

    async def run(dsn: str) -> T:
        async with app.opened(settings, vault, dsn) as service:
            return await work(service)

    with dsn_of(settings) as dsn:
        return asyncio.run(run(dsn))


def who(given: Namespace) -> str:
    """Return who decides something: as `--by` says, or the account that runs this."""
    try:
        return str(given.by or getpass.getuser())
    except (KeyError, OSError):  # a container's account may have no name
        return "the command line"
