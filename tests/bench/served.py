"""`prefsvc serve` as a process of its own, so that the client does not share its event loop."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def served(dsn: str, folder: Path) -> AsyncIterator[str]:
    """Run the service on this database and yield its origin."""
    environment = os.environ | {
        "PREFSVC_DATABASE_URL": dsn,
        "PREFSVC_SECRETS_DIR": str(folder / "secrets"),
        "PREFSVC_PORT": "0",
        "PREFSVC_REQUESTS_PER_KEY_PER_MINUTE_MAX": "100000000",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "prefsvc", "serve", env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr
    async for line in process.stderr:
        if match := re.search(rb'"origin": "(http[^"]+)".*"serving"', line):
            break
    draining = asyncio.create_task(process.stderr.read())
    try:
        yield match[1].decode()
    finally:
        process.terminate()
        await process.wait()
        await draining
