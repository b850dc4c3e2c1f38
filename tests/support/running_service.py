"""A real `prefsvc serve` in a process of its own, as an operator would run it."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import asyncpg

from prefsvc import engine

LIMIT_SECONDS = 120
"""For what takes a second or two on a machine that has nothing else to do."""
PREFSVC = (sys.executable, "-m", "prefsvc")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over HTTP."""

    status: int
    body: bytes

    @property
    def document(self):
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Running:
    """A service that was started; what it writes goes to two files in its folder."""

    process: subprocess.Popen
    folder: Path
    started_at: float

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text()

    def event(self, name: str) -> dict:
        """Return the last event of that name, once it has been logged."""
        until(lambda: self._events(name) or self._has_ended())
        assert self._events(name), self.err
        return self._events(name)[-1]

    def _has_ended(self) -> bool:
        return self.process.poll() is not None

    def _events(self, name: str) -> list[dict]:
        whole = self.err.rpartition("\n")[0].splitlines()  # the last line may still be written
        mark = f'"event":"{name}"'
        return [json.loads(line) for line in whole if line.startswith("{") and mark in line]

    @property
    def origin(self) -> str:
        """Where it listens, once it does."""
        return self.event("serving")["origin"]

    @property
    def port(self) -> int:
        return int(self.origin.rpartition(":")[2])

    def ask(self, path: str, *, body: bytes | None = None, key: str = "") -> Answer:
        """GET a path or, with a body, POST to it."""
        url = path if path.startswith("http") else self.origin + path
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return self.send(Request(url, body, headers))

    def send(self, request: Request) -> Answer:
        """Send a request as it is."""
        try:
            with urlopen(request, timeout=LIMIT_SECONDS) as reply:
                return Answer(reply.status, reply.read())
        except HTTPError as reply:
            with reply:
                return Answer(reply.code, reply.read())

    def is_ready(self) -> bool:
        try:
            return self.ask("/readyz").status == 200
        except OSError:
            return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; return how it ended."""
        self.process.send_signal(number)
        return self.process.wait(LIMIT_SECONDS)


@contextmanager
def serving(folder: Path, *, command=PREFSVC, options=(), **settings) -> Iterator[Running]:
    """Start the service on the folder's data directory; stop it, if that has not happened."""
    folder.mkdir(exist_ok=True)
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        started_at = time.monotonic()
        process = subprocess.Popen(
            [*command, "serve", *options],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd="/",
            env=environment(folder, settings),
        )
    try:
        yield Running(process, folder, started_at)
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()  # so that it does not outlive the test that it fails
            raise


def run(folder: Path, *words: str, command=PREFSVC, **settings) -> subprocess.CompletedProcess:
    """Run a command on the folder's data directory."""
    return subprocess.run(
        [*command, *words],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        env=environment(folder, settings),
        timeout=LIMIT_SECONDS,
    )


def environment(folder: Path, settings) -> dict[str, str]:
    """Return our environment without our settings, and with these."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PREFSVC_")}
    given = {"data_dir": folder / "data", "port": 0} | settings
    return ours | {f"PREFSVC_{name.upper()}": str(value) for name, value in given.items()}


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder with a space in its name, which any account may enter: PostgreSQL's too."""
    with tempfile.TemporaryDirectory(prefix="prefsvc test ") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def execute(folder: Path, *statements: str) -> None:
    """Do something by hand in the database of the folder's running service."""

    async def work(conn):
        for statement in statements:
            await conn.execute(statement)

    _connected(folder, work)


def ask_database(folder: Path, query: str) -> tuple:
    """Return the one row of a query of the database of the folder's running service."""

    async def work(conn):
        return tuple(await conn.fetchrow(query))

    return _connected(folder, work)


def _connected(folder, work):
    async def connected(dsn):
        conn = await asyncpg.connect(dsn, server_settings={"search_path": "prefsvc"})
        try:
            return await work(conn)
        finally:
            await conn.close()

    with engine.connected(folder / "data") as dsn:
        return asyncio.run(connected(dsn))


def servers_of(folder: Path) -> list[int]:
    """Return the processes of PostgreSQL on the folder's data directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().split(b"\0")
        except OSError:
            continue  # it has just ended
        if b"postgres" in command[0] and any(str(folder).encode() in word for word in command):
            found.append(int(entry.parent.name))
    return found


def children(pid: int, word: bytes) -> dict[int, list[bytes]]:
    """Return the children of a process with this word among their arguments, and those."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it has just ended
        if parent == pid and word in words:
            found[int(entry.name)] = words
    return found


def until(is_so, limit_seconds=LIMIT_SECONDS):
    """Wait for something to become true, which it does by itself."""
    deadline = time.monotonic() + limit_seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def printed(text: str, label: str) -> str:
    """Return what the welcome says after a label."""
    return re.search(rf"^  {label} +(\S.*)$", text, re.MULTILINE)[1]
