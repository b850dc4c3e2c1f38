"""One of several processes that serve: `python -m prefsvc.processes.worker PLAN`.

The parent runs it and holds the other end of its line; when that end is gone, it stops.
"""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import msgspec
import structlog

from prefsvc import app, logs
from prefsvc.errors import Refusal
from prefsvc.processes import embedded, files, serving, signals, totals, welcome
from prefsvc.processes.line import Alive, Ask, Cover, Line, Message, Ready, Told
from prefsvc.processes.plan import ALIVE_SECONDS, Plan
from prefsvc.processes.serving import Doors
from prefsvc.processes.sockets import Sockets
from prefsvc.settings import Settings
from prefsvc.vault import open_vault

log = structlog.get_logger()

_ANSWER_SECONDS = 5.0
"""How long the parent may take to say the metrics of all."""


@dataclass(slots=True)
class Worker:
    """A worker on its line."""

    plan: Plan
    line: Line
    stop: asyncio.Event
    away: tuple[int, ...] = ()
    """The numbers of those that are not there, for whom we take connections, too."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _numbers: "count[int]" = field(default_factory=count)
    _asked: dict[int, "asyncio.Future[tuple[totals.Family, ...]]"] = field(default_factory=dict)

    async def say_that_we_live(self) -> None:
        """Say so again and again: who is stuck does not."""
        while True:
            self.line.say(Alive())
            await asyncio.sleep(ALIVE_SECONDS)

    async def listen(self) -> None:
        """Do as the parent says, until it hangs up."""
        try:
            async for message in self.line.heard():
                self._do(message)
        finally:
            self.stop.set()

    def _do(self, message: Message) -> None:
        match message:
            case Ask(number):
                self.line.say(Told(number, totals.own()))
            case Told(number, families) if number in self._asked:
                self._asked.pop(number).set_result(families)
            case Cover(numbers):
                self.away = numbers
                self._changed.set()
            case _:
                return

    async def cover(self, doors: Doors) -> None:
        """Take connections for those that are away, as they come and go."""
        while True:
            self._changed.clear()
            await doors.keep_open([self.plan.number, *self.away])
            await self._changed.wait()

    async def exposed(self) -> bytes:
        """Return the metrics of all; our own where the parent does not answer."""
        number = next(self._numbers)
        asked = self._asked[number] = asyncio.get_running_loop().create_future()
        self.line.say(Ask(number))
        try:
            return totals.exposed(await asyncio.wait_for(asked, _ANSWER_SECONDS))
        except TimeoutError:
            return totals.exposed(totals.own())
        finally:
            self._asked.pop(number, None)


async def serve(settings: Settings, plan: Plan, end: socket.socket) -> None:
    """Serve until told to stop, or until the parent is gone."""
    worker = Worker(plan, await Line.over(end), signals.stop())
    async with _running(worker.say_that_we_live()), _running(worker.listen()):
        vault = open_vault(settings, make_missing=False)
        dsn = plan.dsn or embedded.dsn(settings, None)
        async with app.opened(settings, vault, dsn, is_patient=plan.is_patient) as service:
            is_embedded = plan.dsn is not None
            is_new = plan.is_first and await serving.apply_brands(service, is_embedded=is_embedded)
            sockets = Sockets(serving.inherited(plan.http), serving.inherited(plan.mail))
            async with (
                serving.doors(
                    service, sockets, number=plan.number, exposed=worker.exposed
                ) as doors,
                _running(worker.cover(doors)),
            ):
                if plan.greets and settings.is_local:
                    await welcome.say(service, is_new)
                worker.line.say(Ready())
                log.info("worker_ready")
                await worker.stop.wait()
                log.info("worker_stopping")


@asynccontextmanager
async def _running(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def main() -> int:
    """Run a worker; 0 if it stopped as it was told."""
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    settings = Settings().model_copy(update={"port": plan.port})
    logs.configure(settings.log_level)
    structlog.contextvars.bind_contextvars(worker=plan.number)
    settings = files.allow_many(settings)
    end = socket.socket(fileno=plan.line)
    try:
        with asyncio.Runner(loop_factory=serving.loop_factory()) as runner:
            runner.run(serve(settings, plan, end))
    except Refusal as refusal:
        print(f"prefsvc: {refusal}", file=sys.stderr)  # noqa: T201 - as every command says it
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
