"""One PostgreSQL server, run as our own child."""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prefsvc.engine import leftovers, parameters, sockets
from prefsvc.engine.account import Account, dies_with_us, script
from prefsvc.engine.binaries import Binaries
from prefsvc.engine.log import ServerLog
from prefsvc.errors import EngineNotStarted

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.005
_STATUS_LINE = 7  # of postmaster.pid, since PostgreSQL 10
# Fast shutdown; at once, with recovery at the next start; and the end of all patience.
_STOPS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything it takes to start a server."""

    binaries: Binaries
    account: Account
    cluster: Path
    sockets: Path
    log: ServerLog
    parameters: Mapping[str, str]

    def command(self) -> list[str]:
        """Return the server's command line. It shuts down by itself when we die."""
        arguments = parameters.arguments(self.cluster, self.sockets, self.parameters)
        program = [self.binaries.program("postgres"), *arguments]
        return self.account.command(program, death_signal=signal.SIGINT)


class Server:
    """A server process, and those that take its place when it dies."""

    def __init__(self, plan: Plan) -> None:
        """Start it."""
        self.plan = plan
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._process = self._started()

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """How it ended, or None while it runs."""
        return self._process.poll()

    @property
    def age_seconds(self) -> float:
        """How long ago it was started."""
        return time.monotonic() - self._began

    @property
    def is_ready(self) -> bool:
        """Whether it takes connections: this very process, not another on the same cluster."""
        with suppress(OSError):
            lines = (self.plan.cluster / "postmaster.pid").read_text("utf-8", "replace").split("\n")
            is_own = lines[0] == str(self.pid) and self.status is None
            return is_own and lines[_STATUS_LINE : _STATUS_LINE + 1] == ["ready   "]
        return False

    def last_words(self) -> str:
        """Return the end of what it has logged since it was started."""
        return self.plan.log.tail(self._log_start)

    def wait_until_ready(self, limit_seconds: float) -> None:
        """Wait for it to take connections, recovery included."""
        while not self.is_ready:
            if self.status is not None:
                raise EngineNotStarted(
                    f"PostgreSQL {self.plan.binaries.version} ended with status {self.status} "
                    f"before it was ready; its log says:\n{self.last_words()}"
                )
            if self.age_seconds > limit_seconds:
                raise EngineNotStarted(
                    f"PostgreSQL was not ready after {limit_seconds:g} s; if it is recovering from "
                    f"a crash, allow it more time; its log says:\n{self.last_words()}"
                )
            time.sleep(_POLL_SECONDS)

    def start_again(self) -> None:
        """Start anew after it died and its leftovers were cleared."""
        self._unwatch()
        self._process = self._started()

    def stop(self) -> None:
        """Stop it with all its children."""
        for way, limit_seconds in _STOPS:
            if self._has_ended_by(way, limit_seconds):
                break
            _log.error("PostgreSQL (process %d) did not stop on %s", self.pid, way.name)
        self._unwatch()
        leftovers.clear(self.plan.cluster)

    def _has_ended_by(self, way: signal.Signals, limit_seconds: float) -> bool:
        self._process.send_signal(way)
        try:
            self._process.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _started(self) -> subprocess.Popen[bytes]:
        self._began = time.monotonic()
        self._log_start = self.plan.log.size()
        sockets.clear(self.plan.sockets)
        log = self.plan.log.open()
        try:
            process = subprocess.Popen(  # noqa: S603 - no shell, our own arguments
                self.plan.command(),
                env=self.plan.binaries.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us, who then stop it in order
            )
        finally:
            os.close(log)
        if not dies_with_us():
            self._watchdog = self._watching(process.pid)
        return process

    def _watching(self, pid: int) -> subprocess.Popen[bytes]:
        account, cluster = self.plan.account, str(self.plan.cluster)
        return subprocess.Popen(  # noqa: S603 - no shell, our own arguments
            [*script("watch"), str(pid), cluster, str(account.uid), str(account.gid)],
            env=self.plan.binaries.environment(),
            stdin=subprocess.PIPE,  # closed by our death, too
            start_new_session=True,
        )

    def _unwatch(self) -> None:
        if self._watchdog and self._watchdog.stdin:
            self._watchdog.stdin.close()
            self._watchdog.wait()
            self._watchdog = None
