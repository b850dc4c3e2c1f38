"""`prefsvc serve` as a process of its own, so that the client does not share its event loop."""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from yarl import URL


@dataclass(frozen=True)
class Served:
    """A service that runs: where it answers, its process, and how long it took to start."""

    origin: str
    pid: int
    workers: int
    started_in_seconds: float

    @property
    def port(self) -> int:
        return int(URL(self.origin).port or 80)

    def peak_bytes(self) -> int:
        """Return the most memory that its processes have had, PostgreSQL's not counted."""
        return sum(_peak_bytes(pid) for pid in (self.pid, *_workers_of(self.pid)))


@asynccontextmanager
async def served(dsn: str | None, folder: Path, *, workers: int = 1) -> AsyncIterator[Served]:
    """Run the service, its log in a file: nobody need keep up with reading it.

    Without a database it runs its own in the folder.
    """
    environment = os.environ | {
        "PREFSVC_PORT": "0",
        "PREFSVC_DATA_DIR": str(folder),
        "PREFSVC_REQUESTS_PER_KEY_PER_MINUTE_MAX": "100000000",
        "PREFSVC_REQUESTS_PER_ADDRESS_PER_MINUTE_MAX": "100000000",
    }
    if dsn is not None:
        environment |= {
            "PREFSVC_DATABASE_URL": dsn,
            "PREFSVC_SECRETS_DIR": str(folder / "secrets"),
        }
    command = [sys.executable, "-m", "prefsvc", "serve"]
    if workers > 1:
        command += ["--workers", str(workers)]
    started = time.perf_counter()
    with (folder / "serve.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=log)
    try:
        origin = await _origin(process, folder / "serve.log")
        yield Served(origin, process.pid, workers, time.perf_counter() - started)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def can_have_workers() -> bool:
    """Say whether this version serves with several processes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "prefsvc", "serve", "--help", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return b"--workers" in out


async def _origin(process: asyncio.subprocess.Process, log: Path) -> str:
    async with asyncio.timeout(60):
        while process.returncode is None:
            for line in log.read_bytes().splitlines():
                if line.startswith(b"{") and (event := json.loads(line))["event"] == "serving":
                    return str(event["origin"])
            await asyncio.sleep(0.01)
    raise RuntimeError(f"the service did not start:\n{log.read_text()}")


def _peak_bytes(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


def _workers_of(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in children if _is_python(int(one))]


def _is_python(pid: int) -> bool:
    return "python" in Path(f"/proc/{pid}/comm").read_text()
