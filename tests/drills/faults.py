"""What breaks. Each breaks something under load and, where nobody else would, mends it again.

Where the service must notice first, a fault lasts until every door has given an answer to somebody
who came after it began; so it also shows that none of them waits for ever.
"""

import asyncio
import itertools
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import asyncpg

from prefsvc.db.away import AWAY
from prefsvc.engine.leftovers import processes, server_pid
from tests.drills.disk import Disk
from tests.drills.house import House
from tests.drills.release import MIGRATING, Shelf
from tests.drills.traffic import LIMIT_SECONDS, Traffic
from tests.support.wire import Wire

FELT = 20
"""As many that are not recorded show that a full disk is felt."""
KEPT_MEANWHILE = 40
"""So many are taken by a service that has never seen its database."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault may touch."""

    house: House
    traffic: Traffic
    random: Random


Fault = Callable[[Scene], Awaitable[None]]


async def kill_service(scene: Scene) -> None:
    """Kill -9 of the service's first process; an embedded PostgreSQL stops by itself."""
    _kill(scene.house.process)


async def kill_worker(scene: Scene) -> None:
    """Kill -9 of one of the processes that answer."""
    _kill(scene.random.choice(workers(scene.house)))


async def kill_server(scene: Scene) -> None:
    """Kill -9 of PostgreSQL's first process; its children leave with it."""
    _kill(server_pid(scene.house.cluster / "postmaster.pid"))


async def kill_backend(scene: Scene) -> None:
    """Kill -9 of a process that serves a connection: PostgreSQL then ends all, and recovers."""
    serving = await _asked(scene.house, _OURS)
    _kill(scene.random.choice(serving)["pid"])


async def kill_everything(scene: Scene) -> None:
    """Kill -9 of all at the same moment, as a power cut does to processes."""
    _kill(*processes(scene.house.cluster), *workers(scene.house), scene.house.process)


async def end_sessions(scene: Scene) -> None:
    """Have PostgreSQL end all of the service's connections."""
    await _asked(scene.house, f"select pg_terminate_backend(pid) from ({_OURS}) as ours")


async def freeze_server(scene: Scene) -> None:
    """Stop every process of PostgreSQL, as a stuck disk does, for longer than anybody waits."""
    pids = processes(scene.house.cluster)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        await scene.traffic.answered_everywhere()
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def cut(wire: Wire) -> Fault:
    """Break off all connections to the database."""

    async def strike(_: Scene) -> None:
        wire.cut()

    return strike


def lose(wire: Wire) -> Fault:
    """Let all connections to the database lead nowhere, without a word to the service."""

    async def strike(scene: Scene) -> None:
        wire.lose()
        await scene.traffic.answered_everywhere()

    return strike


def hold(wire: Wire) -> Fault:
    """Let no octet pass to the database or from it, for longer than anybody waits."""

    async def strike(scene: Scene) -> None:
        wire.hold()
        await scene.traffic.answered_everywhere()
        wire.let_go()

    return strike


def refuse(wire: Wire) -> Fault:
    """Have the database's machine refuse all connections."""

    async def strike(scene: Scene) -> None:
        wire.refuse()
        await scene.traffic.answered_everywhere()
        await wire.listen()

    return strike


def start_without(wire: Wire) -> Fault:
    """Kill the service while the database is away: it starts without, and goes on taking."""

    async def strike(scene: Scene) -> None:
        wire.refuse()
        _kill(*workers(scene.house), scene.house.process)
        await scene.traffic.more(KEPT_MEANWHILE)
        await wire.listen()

    return strike


def fill(disk: Disk) -> Fault:
    """Fill a disk until that is felt; then make room.

    At first the database only refuses what is written. Every other time the disk stays full until
    its log wants another file, too: then PostgreSQL ends itself, and cannot come back.
    """
    is_worn_out = itertools.cycle((True, False))

    async def strike(scene: Scene) -> None:
        disk.fill()
        try:
            await scene.traffic.unrecorded(FELT)
            if next(is_worn_out):
                await _wear_out_log(scene.house)
            await scene.traffic.answered_everywhere()
        finally:
            disk.clear()

    return strike


async def _wear_out_log(house: House) -> None:
    """Use up the files that PostgreSQL's log has in store, until it ends all connections."""
    with suppress(*AWAY, asyncpg.PostgresError):
        async with house.database() as conn:
            while True:
                await conn.execute(_NEXT_FILE_OF_LOG)


def go_away(wire: Wire, seconds: float) -> Fault:
    """Have the database away for so long, which is what the drill is about."""

    async def strike(_: Scene) -> None:
        wire.refuse()
        await asyncio.sleep(seconds)
        await wire.listen()

    return strike


def upgrade(shelf: Shelf) -> Fault:
    """Stop the service, or kill it, and start its next release, which migrates the database.

    Every other time that is killed as well, in the midst of migrating.
    """

    async def strike(scene: Scene) -> None:
        house = scene.house
        house.command = shelf.next_release()
        before = house.process
        os.kill(before, scene.random.choice((signal.SIGTERM, signal.SIGKILL)))
        if shelf.releases % 2:
            await _until_it_migrates(house)
            _kill(house.process)

    return strike


async def _until_it_migrates(house: House) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            with suppress(*AWAY, asyncpg.PostgresError):
                async with house.database() as conn:
                    while not await conn.fetchval(MIGRATING):  # noqa: ASYNC110 - a row
                        await asyncio.sleep(0.02)
                    return
            await asyncio.sleep(0.02)  # its server is not there yet


async def _asked(house: House, query: str) -> list[asyncpg.Record]:
    """Ask the database of the service's sessions, once both are there after the fault before."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            with suppress(*AWAY):
                async with house.database() as conn:
                    if found := await conn.fetch(query):
                        return found
            await asyncio.sleep(0.02)


def workers(house: House) -> list[int]:
    """Return the service's further processes, its PostgreSQL apart."""
    children = Path(f"/proc/{house.process}/task/{house.process}/children").read_text().split()
    return [int(pid) for pid in children if _name(pid) not in {"postgres", ""}]


_OURS = (
    "select pid from pg_stat_activity"
    " where application_name = 'prefsvc' and backend_type = 'client backend'"
)
_NEXT_FILE_OF_LOG = "select pg_logical_emit_message(true, '', ''), pg_switch_wal()"


def _name(pid: str) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _kill(*pids: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
