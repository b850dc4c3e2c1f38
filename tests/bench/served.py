"""`prefsvc serve` as a process of its own, so that the client does not share its event loop."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from yarl import URL


@dataclass(frozen=True)
class Served:
    """A service that runs: where it answers, and its process."""

    origin: str
    pid: int

    @property
    def port(self) -> int:
        return int(URL(self.origin).port or 80)

    def peak_bytes(self) -> int:
        """Return the most memory that the process has had at once (VmHWM)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024


@asynccontextmanager
async def served(dsn: str, folder: Path) -> AsyncIterator[Served]:
    """Run the service on this database, its log in a file: nobody need keep up with reading it."""
    environment = os.environ | {
        "PREFSVC_DATABASE_URL": dsn,
        "PREFSVC_SECRETS_DIR": str(folder / "secrets"),
        "PREFSVC_PORT": "0",
    }
    with (folder / "serve.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "prefsvc", "serve", env=environment, stderr=log
        )
    try:
        yield Served(await _origin(process, folder / "serve.log"), process.pid)
    finally:
        process.terminate()
        await process.wait()


async def _origin(process: asyncio.subprocess.Process, log: Path) -> str:
    async with asyncio.timeout(60):
        while process.returncode is None:
            for line in log.read_bytes().splitlines():
                if line.startswith(b"{") and (event := json.loads(line))["event"] == "serving":
                    return str(event["origin"])
            await asyncio.sleep(0.01)
    raise RuntimeError(f"the service did not start:\n{log.read_text()}")
