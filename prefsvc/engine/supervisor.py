"""Run PostgreSQL in a data directory: for a service until it stops, for a command meanwhile."""

import asyncio
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from prefsvc.engine import cluster as clusters
from prefsvc.engine import leftovers, runtime, sockets
from prefsvc.engine.account import Account, making_cluster, running_cluster
from prefsvc.engine.binaries import Binaries, find
from prefsvc.engine.directory import DataDirectory, prepare
from prefsvc.engine.log import ServerLog
from prefsvc.engine.runtime import Kind, Notice
from prefsvc.engine.server import Plan, Server
from prefsvc.errors import EngineInUse, EngineKeepsFailing

_log = logging.getLogger(__name__)
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How often, and how soon, a server that died is started again."""

    poll_seconds: float = 0.2
    quick_seconds: float = 30.0  # a life shorter than this counts as a failure of the start
    failures_max: int = 6
    first_delay_seconds: float = 0.1
    delay_seconds_max: float = 10.0

    def delay_seconds(self, failures: int) -> float:
        """Return how long to wait after so many quick failures in a row."""
        return min(self.first_delay_seconds * 4.0 ** (failures - 1), self.delay_seconds_max)


_POLICY = RestartPolicy()


class Engine:
    """The PostgreSQL that we run."""

    def __init__(self, server: Server) -> None:
        """Speak for this server."""
        self._server = server

    @property
    def dsn(self) -> str:
        """How to connect to it; the same after it was started again."""
        return sockets.dsn(self._server.plan.sockets)

    @property
    def version(self) -> str:
        """Its version, as in 18.6."""
        return self._server.plan.binaries.version

    @property
    def pid(self) -> int:
        """Its process at present."""
        return self._server.pid

    async def watch(self, stop: asyncio.Event, policy: RestartPolicy = _POLICY) -> None:
        """Start it again whenever it dies, until told to stop; give up if it keeps dying."""
        failures = 0
        while not await _is_set_within(stop, policy.poll_seconds):
            self._server.plan.log.rotate()
            if self._server.status is None:
                continue
            failures = failures + 1 if self._server.age_seconds < policy.quick_seconds else 1
            self._report(failures, policy)
            if await _is_set_within(stop, policy.delay_seconds(failures)):
                return
            await self._start_again()

    def _report(self, failures: int, policy: RestartPolicy) -> None:
        _log.error("PostgreSQL (process %d) ended with %s", self.pid, self._server.status)
        if failures > policy.failures_max:
            raise EngineKeepsFailing(
                f"PostgreSQL ended {failures} times within {policy.quick_seconds:g} s of its "
                f"start; its log says:\n{self._server.last_words()}"
            )

    async def _start_again(self) -> None:
        await asyncio.to_thread(leftovers.clear, self._server.plan.cluster)
        try:
            # Not in a thread: Linux would stop the server when that thread ends.
            self._server.start_again()
        except OSError:  # no memory, no space for the log: it counts as another quick failure
            _log.exception("PostgreSQL could not be started again")
        else:
            _log.warning("PostgreSQL was started again as process %d", self.pid)


@dataclass(frozen=True, slots=True)
class _Wishes:
    bindir: Path | None
    start_timeout_seconds: float
    parameters: Mapping[str, str]


@contextmanager
def running(
    data_dir: Path,
    *,
    bindir: Path | None = None,
    start_timeout_seconds: float = 60,
    parameters: Mapping[str, str] = _NONE,
) -> Iterator[Engine]:
    """Run PostgreSQL in the data directory while the block runs, and hold the directory alone.

    Call it from the main thread, and `watch` the engine from an event loop in that thread.
    """
    wishes = _Wishes(bindir, start_timeout_seconds, parameters)
    directory = prepare(data_dir)
    with (
        runtime.claimed(directory, "service", start_timeout_seconds),
        _engine(directory, "service", wishes) as engine,
    ):
        yield engine


@contextmanager
def connected(
    data_dir: Path,
    *,
    bindir: Path | None = None,
    start_timeout_seconds: float = 60,
    parameters: Mapping[str, str] = _NONE,
) -> Iterator[str]:
    """Yield how to connect to the live service's PostgreSQL, or to one run for the block."""
    wishes = _Wishes(bindir, start_timeout_seconds, parameters)
    directory = prepare(data_dir)
    with runtime.claimed(directory, "command", start_timeout_seconds) as shared:
        if shared:
            yield sockets.dsn(shared)
            return
        with _engine(directory, "command", wishes) as engine:
            yield engine.dsn


@contextmanager
def _engine(directory: DataDirectory, kind: Kind, wishes: _Wishes) -> Iterator[Engine]:
    with runtime.announced(directory, kind) as before:
        account, binaries, cluster = _found_or_made(directory, wishes.bindir)
        with _alone_on(cluster, directory):
            leftovers.clear(cluster)
            if before and before.sockets:
                sockets.remove(Path(before.sockets))
            clusters.admit(cluster, account)
            with sockets.folder(account, directory.root) as folder:
                log = ServerLog(directory.log)
                plan = Plan(binaries, account, cluster, folder, log, wishes.parameters)
                with _served(plan, wishes.start_timeout_seconds) as engine:
                    runtime.announce(directory, Notice(kind, os.getpid(), str(folder)))
                    yield engine


def _found_or_made(directory: DataDirectory, bindir: Path | None) -> tuple[Account, Binaries, Path]:
    cluster = directory.cluster()
    account = running_cluster(cluster) if cluster else making_cluster(directory.root)
    major = clusters.major_of(cluster) if cluster else None
    spare = directory.spare_binaries(account)
    binaries = find(account, bindir=bindir, major=major, spare=spare)
    if cluster is None:
        cluster = directory.new_cluster(account)
        clusters.make(cluster, binaries, account)
        directory.keep(cluster)
    return account, binaries, cluster


@contextmanager
def _alone_on(cluster: Path, directory: DataDirectory) -> Iterator[None]:
    """Hold a cluster that lies elsewhere: a copy of the data directory points to it too."""
    if cluster.parent == directory.root:
        yield
        return
    with runtime.lock(cluster.with_name(f"{cluster.name}.lock")) as is_ours:
        if not is_ours:
            raise EngineInUse(
                f"{directory.root} is a copy of a data directory in use: both point to {cluster}; "
                "stop the other prefsvc, or use another data directory"
            )
        yield


@contextmanager
def _served(plan: Plan, start_timeout_seconds: float) -> Iterator[Engine]:
    server = Server(plan)
    try:
        server.wait_until_ready(start_timeout_seconds)
        yield Engine(server)
    finally:
        server.stop()


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
