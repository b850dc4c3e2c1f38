"""Several processes that serve: the parent holds sockets and database, its workers serve.

A worker that dies is started again, and meanwhile the others take its connections. SIGHUP starts
each of them anew, one after the other: the old one stops once the new one serves.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import structlog

from prefsvc import metrics
from prefsvc.engine import Engine, RestartPolicy
from prefsvc.processes import crew, embedded, signals, totals
from prefsvc.processes.crew import Member
from prefsvc.processes.line import Cover, Told
from prefsvc.processes.plan import ALIVE_SECONDS, Plan
from prefsvc.processes.sockets import Sockets, listening
from prefsvc.processes.totals import Family
from prefsvc.settings import Settings
from prefsvc.vault import open_vault

log = structlog.get_logger()

MARGIN_SECONDS: Final = 5.0
"""How much longer than its grace a worker may take to stop before it is killed."""
_ASK_SECONDS: Final = 2.0
"""How long a worker may take to say its metrics."""
_POLICY: Final = RestartPolicy()
"""How soon a worker that died is started again: as the embedded PostgreSQL is."""


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; then let the workers finish what was begun."""
    count = settings.workers
    with listening(settings, count=count) as sockets, embedded.database(settings) as running:
        # The secrets are made once, before several look for them.
        open_vault(settings, make_missing=running is not None)
        return asyncio.run(_serve(settings, sockets, running))


async def _serve(settings: Settings, sockets: Sockets, running: Engine | None) -> int:
    stop = signals.stop()
    parent = Parent(settings, sockets, running, stop)
    signals.on_hang_up(stop, parent.restart.set)
    async with embedded.watched(running, stop):
        return await parent.run()


@dataclass(slots=True)
class Parent:
    """The workers, each in its place."""

    settings: Settings
    sockets: Sockets
    running: Engine | None
    stop: asyncio.Event
    restart: asyncio.Event = field(default_factory=asyncio.Event)
    places: dict[int, Member] = field(default_factory=dict)
    """Who serves in each place."""
    alive: set[Member] = field(default_factory=set)
    """They, those that are about to, and those that were told to stop."""
    _following: set["asyncio.Task[None]"] = field(default_factory=set)
    _locks: dict[int, asyncio.Lock] = field(default_factory=dict)
    _gone: crew.Gone = field(default_factory=crew.Gone)

    async def run(self) -> int:
        """Start them, keep them and stop them; return the exit code."""
        self._locks = {number: asyncio.Lock() for number in range(self.settings.workers)}
        tasks = [asyncio.create_task(self._watch(), name="watch")]
        try:
            if failed := await self._begin():
                return failed
            tasks += [asyncio.create_task(self._keep(number)) for number in self._locks]
            tasks.append(asyncio.create_task(self._restart_when_told()))
            await self.stop.wait()
            log.info("stopping")
            return 0
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._end()

    async def _begin(self) -> int:
        """Start the first, which migrates and applies brands, and then the others together."""
        first = await self._start(0, is_first=True, greets=self.running is not None)
        if not first.is_serving:
            return 0 if self.stop.is_set() else abs(first.status or 1)
        await asyncio.gather(*(self._start(number) for number in self._locks if number))
        log.info(
            "serving",
            origin=self.settings.model_copy(update={"port": self.sockets.port}).origin,
            workers=len(self.places),
            pid_of_postgresql=self.running and self.running.pid,
        )
        return 0

    async def _start(self, number: int, *, is_first: bool = False, greets: bool = False) -> Member:
        """Start a worker and wait until it serves, in its place, or has failed to."""

        def plan(line: int) -> Plan:
            return Plan(
                number=number,
                port=self.sockets.port,
                dsn=self.running.dsn if self.running else None,
                line=line,
                http=tuple(one.fileno() for one in self.sockets.http),
                mail=tuple(one.fileno() for one in self.sockets.mail),
                is_first=is_first,
                greets=greets,
                is_patient=not greets and number not in self.places,
            )

        member = await crew.start(number, plan, self._asked)
        self.alive.add(member)
        following = asyncio.create_task(self._follow(member), name=f"worker {number}")
        self._following.add(following)
        following.add_done_callback(self._following.discard)
        await self._until(member.ready)
        if member.is_serving:
            before, self.places[number] = self.places.get(number), member
            self._cover()
            if before:
                before.stop()
        return member

    async def _until(self, event: asyncio.Event) -> None:
        """Wait for it, or until told to stop."""
        waits = [asyncio.create_task(one.wait()) for one in (event, self.stop)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for one in waits:
            one.cancel()

    async def _follow(self, member: Member) -> None:
        await member.follow()
        self.alive.discard(member)
        self._gone.bury(member)
        if self.places.get(member.number) is member:
            del self.places[member.number]
            self._cover()
            self._note(member)

    def _note(self, member: Member) -> None:
        """Say that a worker is lost, unless all are stopping."""
        if not self.stop.is_set():
            how = "silent" if member.was_silent else "died"
            metrics.WORKERS_LOST.labels(how).inc()
            log.error("worker_lost", worker=member.number, how=how, status=member.status)

    def _cover(self) -> None:
        """Let those that serve take the connections of those that do not."""
        metrics.WORKERS.set(len(self.places))
        away = tuple(sorted(self._locks.keys() - self.places.keys()))
        for member in self.places.values():
            member.line.say(Cover(away))

    async def _keep(self, number: int) -> None:
        """Start the worker of a place again whenever it dies; not too soon, if it keeps dying."""
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            began_at = clock()
            if await self._has_made_room(number):
                continue
            failures = failures + 1 if clock() - began_at < _POLICY.quick_seconds else 1
            if failures > 1:
                await asyncio.sleep(_POLICY.delay_seconds(failures - 1))

    async def _has_made_room(self, number: int) -> bool:
        """See to a place until its worker ends; say whether that was for another."""
        try:
            async with self._locks[number]:
                member = self.places.get(number) or await self._start(number)
        except OSError as error:  # no memory, no process, no file left
            log.error("worker_not_started", worker=number, kind=type(error).__name__)  # noqa: TRY400
            return False
        await member.ended.wait()
        return self.places.get(number, member) is not member

    async def _restart_when_told(self) -> None:
        while True:
            await self.restart.wait()
            self.restart.clear()
            log.info("restarting")
            await self._renew()

    async def _renew(self) -> None:
        """Start every worker anew; where that fails, the old ones go on."""
        for number in self._locks:
            if not await self._is_renewed(number):
                log.error("restart_failed", worker=number)
                return
        log.info("restarted")

    async def _is_renewed(self, number: int) -> bool:
        try:
            async with self._locks[number]:
                member = await self._start(number, is_first=number == 0)
        except OSError as error:
            log.error("worker_not_started", worker=number, kind=type(error).__name__)  # noqa: TRY400
            return False
        return member.is_serving

    async def _watch(self) -> None:
        """Kill a worker of which nothing was heard for too long."""
        clock = asyncio.get_running_loop().time
        while True:
            began_at = clock()
            await asyncio.sleep(ALIVE_SECONDS)
            late_seconds = clock() - began_at - ALIVE_SECONDS
            for member in self.alive:
                member.heard_at += late_seconds  # it was us who did not listen
                if clock() - member.heard_at > self.settings.worker_silence_seconds:
                    member.was_silent = True
                    member.kill()

    def _asked(self, by: Member, number: int) -> None:
        telling = asyncio.create_task(self._tell(by, number))
        self._following.add(telling)
        telling.add_done_callback(self._following.discard)

    async def _tell(self, by: Member, number: int) -> None:
        serving = [member for member in self.alive if member.is_serving]
        asked = (member.ask(seconds=_ASK_SECONDS) for member in serving)
        await asyncio.gather(*asked)
        by.line.say(Told(number, self._families()))

    def _families(self) -> tuple[Family, ...]:
        every = [member.families for member in self.alive]
        return totals.together([totals.own(), *every, self._gone.families])

    async def _end(self) -> None:
        """Let the workers finish; what takes too long is killed."""
        members = set(self.alive)
        for member in members:
            member.stop()
        ends = [asyncio.create_task(member.ended.wait()) for member in members]
        if ends:
            seconds = self.settings.shutdown_grace_seconds + MARGIN_SECONDS
            _, late = await asyncio.wait(ends, timeout=seconds)
            for member in members if late else ():
                if not member.ended.is_set():
                    log.error("worker_killed", worker=member.number)
                    member.kill()
            await asyncio.gather(*ends)
