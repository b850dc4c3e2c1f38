"""The installation that is drilled: its folder, its brands, and the service, kept running.

Whatever ends the service, it is started again at once, as systemd or Kubernetes would.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from typing_extensions import override

from prefsvc.engine import runtime, sockets
from prefsvc.engine.directory import DataDirectory
from tests.drills.people import BRANDS, brand_file
from tests.mail_events.providers import PASSWORD
from tests.sms import telnyx_client
from tests.support.cast import TWILIO_TOKEN
from tests.support.running_service import PREFSVC, Running, run, serving

LIVES_MAX = 60
"""A service that is started more often than this in one drill does not come back by itself."""


@dataclass
class House:
    """A service that is kept running, and what its clients must know of it."""

    folder: Path
    settings: dict[str, object]
    options: tuple[str, ...] = ()
    """Further words after `prefsvc serve`."""
    command: tuple[str, ...] = PREFSVC
    origin: str = "http://127.0.0.1:1"
    mail_port: int = 1
    key: str = ""
    twilio_token: str = TWILIO_TOKEN
    password: str = PASSWORD
    lives: int = 0
    running: Running | None = None
    _life: ExitStack = field(default_factory=ExitStack)

    @property
    def headers(self) -> dict[str, str]:
        """Return what proves an operator."""
        return {"Authorization": f"Bearer {self.key}"}

    @property
    def process(self) -> int:
        """Return the service's process."""
        assert self.running is not None
        return self.running.process.pid

    @property
    def cluster(self) -> Path:
        """Return where the embedded PostgreSQL keeps its data."""
        return self.folder / "data" / "postgres"

    @asynccontextmanager
    async def kept_running(self) -> AsyncIterator[None]:
        """Start the service, and start it again whenever it ends, for the block."""
        await self._begin()
        keeping = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
            await asyncio.to_thread(self._life.close)

    async def command_line(self, *words: str) -> tuple[int, str]:
        """Run a command of the release that serves; return how it ended, and what it said."""
        done = await asyncio.to_thread(
            run, self.folder, *words, command=self.command, **self.settings
        )
        return done.returncode, (done.stdout + done.stderr).strip()

    @asynccontextmanager
    async def database(self) -> AsyncIterator[asyncpg.Connection]:
        """Look into the database behind the service's back."""
        conn = await asyncpg.connect(
            self._dsn(), timeout=10, server_settings={"search_path": "prefsvc"}
        )
        try:
            yield conn
        finally:
            await conn.close()

    def _dsn(self) -> str:
        """Return how to connect; `engine.connected` would run a server of its own where none is."""
        notice = runtime.read(DataDirectory(self.folder / "data"))
        if notice is None or not notice.sockets:
            raise ConnectionRefusedError
        return sockets.dsn(Path(notice.sockets))

    async def _begin(self) -> None:
        assert self.lives < LIVES_MAX, self.running and self.running.err[-4000:]
        self.lives += 1
        # Not in the thread: a webhook is signed for the place that it is posted to, and between the
        # two nothing may move.
        if place := await asyncio.to_thread(self._start):
            self.origin, self.mail_port = place

    def _start(self) -> tuple[str, int] | None:
        """Start a life; return where it is, unless it ends first, which is noticed as any end."""
        self._life.close()
        service = serving(self.folder, command=self.command, options=self.options, **self.settings)
        self.running = self._life.enter_context(service)
        with suppress(AssertionError):  # it has ended again
            mail_port = self.running.event("taking_mail")["port"]
            return self.running.origin, mail_port
        return None

    async def _keep(self) -> None:
        while True:
            await _end_of(self.process)
            await self._begin()


async def _end_of(process: int) -> None:
    """Wait until a child has ended, without asking again and again."""
    ended = asyncio.Event()
    try:
        watch = os.pidfd_open(process)
    except ProcessLookupError:  # it has been missed already
        return
    loop = asyncio.get_running_loop()
    loop.add_reader(watch, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(watch)
        os.close(watch)


@dataclass
class HouseWithItsOwnServer(House):
    """A house whose PostgreSQL is another's: reached over a line, and not run by the service."""

    dsn: str = ""

    @override
    def _dsn(self) -> str:
        return self.dsn


def settings_of(folder: Path, **more: object) -> dict[str, object]:
    """Return how a drilled service is set up."""
    brands = folder / "brands"
    brands.mkdir(exist_ok=True)
    for brand in BRANDS:
        (brands / f"{brand}.toml").write_text(brand_file(brand))
    return {
        "brands_dir": brands,
        "mail_listen_port": 0,
        "mail_per_minute_max": 1_000_000,
        "mail_connections_max": 256,
        "mail_connections_per_host_max": 256,
        "twilio_auth_tokens": TWILIO_TOKEN,
        "telnyx_public_keys": telnyx_client.public(telnyx_client.KEY),
        "mail_event_secrets": ",".join(f"postmark-of-{brand}:{PASSWORD}" for brand in BRANDS),
    } | more


async def move_in(house: House) -> None:
    """Make the database and the operator's key, before the service runs."""
    code, said = await house.command_line("keys", "create")
    assert code == 0, said
    house.key = said.splitlines()[0]
