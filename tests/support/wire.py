"""The line between the service and a database elsewhere, and what may happen to a line."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass(eq=False)
class _Connection:
    """One connection: the service's end, the database's, and those who carry between them."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    carrying: list[asyncio.Task[None]] = field(default_factory=list)

    def break_off(self) -> None:
        """Let both ends know that it is over."""
        self._leave()
        self.near.transport.abort()

    def vanish(self) -> None:
        """Let the database know alone; the service waits for answers that never come."""
        self._leave()

    def _leave(self) -> None:
        for task in self.carrying:
            task.cancel()
        self.far.transport.abort()


@dataclass
class Wire:
    """Passes bytes between a port here and a server's socket."""

    socket: Path
    port: int = 0
    _server: asyncio.Server | None = None
    _open: set[_Connection] = field(default_factory=set)
    _gone: list[_Connection] = field(default_factory=list)
    _passes: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        """Take connections, at the same port as before."""
        self._passes.set()
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Take no connections, and break off those that there are."""
        assert self._server is not None
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Break off every connection; new ones are taken."""
        for one in self._emptied():
            one.break_off()

    def lose(self) -> None:
        """Forget every connection, as a firewall does that was started anew; new ones work."""
        for one in self._emptied():
            one.vanish()
            self._gone.append(one)

    def hold(self) -> None:
        """Pass nothing on, in either direction, and say nothing about it."""
        self._passes.clear()

    def let_go(self) -> None:
        """Pass on what was held, and what comes."""
        self._passes.set()

    def close(self) -> None:
        """Break everything off."""
        self.refuse()
        for one in self._gone:
            one.near.transport.abort()

    def _emptied(self) -> list[_Connection]:
        gone = list(self._open)
        self._open.clear()
        return gone

    async def _connect(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        await self._passes.wait()
        try:
            answers, far = await asyncio.open_unix_connection(self.socket)
        except OSError:
            near.transport.abort()
            return
        one = _Connection(near, far)
        self._open.add(one)
        one.carrying = [
            asyncio.create_task(self._carry(reader, far)),
            asyncio.create_task(self._carry(answers, near)),
        ]
        with suppress(asyncio.CancelledError):
            await asyncio.wait(one.carrying, return_when=asyncio.FIRST_COMPLETED)
        if one in self._open:  # one end has closed it, so the other is told
            self._open.discard(one)
            one.break_off()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while octets := await reader.read(1 << 16):
                await self._passes.wait()
                writer.write(octets)
                await writer.drain()


def socket_of(dsn: str) -> Path:
    """Return the socket of the server that this leads to; skip the test where it is elsewhere."""
    if found := re.search(r"host=(/[^&]+)", dsn):
        return Path(found[1]) / ".s.PGSQL.5432"
    pytest.skip("the server of PREFSVC_TEST_SERVER has no socket here")


def through(wire: Wire, dsn: str) -> str:
    """Return how to get to the same database over this line."""
    name = dsn.partition("?")[0].rpartition("/")[2]
    return f"postgresql://prefsvc@127.0.0.1:{wire.port}/{name}?sslmode=disable"


@asynccontextmanager
async def laid(socket: Path) -> AsyncIterator[Wire]:
    """Lay a line to a server's socket for the block."""
    wire = Wire(socket)
    await wire.listen()
    try:
        yield wire
    finally:
        wire.close()
