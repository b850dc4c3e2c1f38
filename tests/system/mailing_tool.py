"""Somebody's mailing tool, which is the example of docs, and a gate between it and prefsvc."""

import asyncio
import importlib.util
import os
import sys
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import ClientSession, DummyCookieJar, web

PROGRAM = Path(__file__).parents[2] / "docs" / "sender_client.py"
_PATH = "/v1/brands/acme/"


def _loaded():
    spec = importlib.util.spec_from_file_location("sender_client", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


sender_client = _loaded()
DoNotSend = sender_client.DoNotSend


@dataclass(frozen=True)
class Reply:
    """An answer on its way to the tool."""

    status: int
    body: bytes
    headers: dict[str, str]


def unspoilt(_name: str, reply: Reply) -> Reply:
    return reply


async def nothing(_name: str, _when: str) -> None:
    pass


@dataclass
class Gate:
    """Passes requests to prefsvc, and its answers back; those it may spoil."""

    prefsvc: str
    session: ClientSession
    url: str = ""
    passed: list[str] = field(default_factory=list)
    spoil: Callable[[str, Reply], Reply] = unspoilt
    watch: Callable = nothing

    async def answer(self, request):
        name = f"{request.method} {request.path.removeprefix(_PATH)}"
        await self.watch(name, "before")
        reply = await self._ask(request)
        self.passed.append(name)
        await self.watch(name, "after")
        reply = self.spoil(name, reply)
        return web.Response(status=reply.status, body=reply.body, headers=reply.headers)

    async def _ask(self, request):
        sent = {name: request.headers[name] for name in ("Authorization", "Content-Type")}
        url, body = f"{self.prefsvc}{request.path_qs}", await request.read()
        async with self.session.request(request.method, url, data=body, headers=sent) as reply:
            told = {n: v for n, v in reply.headers.items() if n.startswith(("Content-Ty", "Pref"))}
            return Reply(reply.status, await reply.read(), told)


@asynccontextmanager
async def open_gate(prefsvc: str):
    """Open a gate on a free port."""
    async with ClientSession(cookie_jar=DummyCookieJar()) as session:
        gate = Gate(prefsvc, session)
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{anything:.*}", gate.answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        gate.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield gate
        finally:
            await runner.cleanup()


@dataclass
class Tool:
    """The tool on one machine: its store, its clock, and what it sent."""

    gate: Gate
    key: str
    path: Path
    now: Callable
    sent: list[str] = field(default_factory=list)
    at_each: Callable[[str], None] = lambda _address: None

    async def sync(self):
        await self._work(sender_client.sync)

    async def send(self, *addresses, mailing="spring", topic="news", earlier=()):
        """Send a mailing; return to whom it went this time."""
        before = len(self.sent)

        def deliver(address, _mailing):
            self.sent.append(address)
            self.at_each(address)

        named = sender_client.Mailing(mailing, topic, earlier)
        await self._work(sender_client.send, named, addresses, deliver)
        return self.sent[before:]

    async def report(self):
        return await self._work(sender_client.report)

    async def look(self, query):
        """Read in its store."""

        def reading(_register, store):
            return store.db.execute(query).fetchall()

        return await self._work(reading)

    async def clearance(self):
        """Ask for clearance, without bringing the list up to date first."""
        await self._work(lambda register, _store: register.clearance())

    async def _work(self, work, *more):
        def working():
            # A store opened anew each time, as after a restart.
            register = sender_client.Register(self.gate.url, "acme", "mailer", self.key, self.now)
            store = sender_client.Store(str(self.path))
            try:
                return work(register, store, *more)
            finally:
                store.db.close()

        return await asyncio.to_thread(working)

    async def start(self, *words, stdin=b""):
        """Run it as a program of its own; return the process, to which all input is given."""
        access = {"URL": self.gate.url, "BRAND": "acme", "SENDER": "mailer", "KEY": self.key}
        process = await asyncio.create_subprocess_exec(
            sys.executable, PROGRAM, "--store", self.path, *words,
            env=os.environ | {f"PREFSVC_{name}": value for name, value in access.items()},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        process.stdin.write(stdin)
        process.stdin.write_eof()
        return process

    async def run(self, *words, stdin=b""):
        """Run it to its end; return how it ended, to whom it wrote, and what it complained of."""
        process = await self.start(*words, stdin=stdin)
        out, err = await process.communicate()
        return process.returncode, written_to(out), err.decode()


def written_to(out: bytes) -> list[str]:
    """Return the addresses of the messages that the program printed."""
    lines = out.decode().splitlines()
    return [line.removeprefix("To: ") for line in lines if line.startswith("To: ")]
