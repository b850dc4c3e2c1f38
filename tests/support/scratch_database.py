"""Run a command with a migrated database of its own: `python -m … -- command {dsn}`.

`PREFSVC_TEST_SERVER` names a server where databases may be made; without it an embedded one is run.
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from prefsvc import engine
from prefsvc.db.connection import single
from prefsvc.db.migrate import migrate

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For tests only: what they write need not outlive them. Tests of durability run their own."""


@contextmanager
def server() -> Iterator[str]:
    """Yield the DSN of a maintenance database on a server where databases may be made."""
    if given := os.environ.get("PREFSVC_TEST_SERVER"):
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="prefsvc-test-") as folder:
        Path(folder).chmod(0o711)
        with engine.running(Path(folder) / "data", parameters=FAST) as running:
            yield running.dsn


def named(server_url: str, name: str) -> str:
    """Return the DSN of another database on the same server."""
    return re.sub(r"^(\w+://[^/?]*)/?[^?]*", rf"\g<1>/{name}", server_url)


@contextmanager
def database(server_url: str, name: str) -> Iterator[str]:
    """Make a migrated database for the block's length."""
    create = f"create database {name} template template0 encoding 'UTF8'"
    asyncio.run(_execute(server_url, create))
    try:
        asyncio.run(_migrate(named(server_url, name)))
        yield named(server_url, name)
    finally:
        asyncio.run(_execute(server_url, f"drop database {name} with (force)"))


async def _execute(dsn: str, statement: str) -> None:
    conn = await asyncpg.connect(dsn)
    await conn.execute(statement)
    await conn.close()


async def _migrate(dsn: str) -> None:
    async with single(dsn) as conn:
        await migrate(conn)


def main() -> int:
    command = sys.argv[sys.argv.index("--") + 1 :]
    with server() as server_url, database(server_url, f"prefsvc_scratch_{os.getpid()}") as dsn:
        filled = [part.replace("{dsn}", dsn) for part in command]
        return subprocess.run(filled, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
