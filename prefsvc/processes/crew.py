"""The workers as the parent has them: started, heard of, told to stop."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import msgspec
import structlog

from prefsvc.processes import totals
from prefsvc.processes.line import Alive, Ask, Line, Message, Ready, Told
from prefsvc.processes.plan import Plan
from prefsvc.processes.totals import Family

log = structlog.get_logger()

_END_POLL_SECONDS: Final = 0.02
_START_SECONDS: Final = 60.0
"""How long a worker may take to load its program, of which it cannot say anything."""
_numbers: Final = count()


@dataclass(slots=True, eq=False)
class Member:
    """A worker's process, as long as it lives."""

    number: int
    process: "subprocess.Popen[bytes]"
    line: Line
    asks: Callable[["Member", int], None]
    """Called where it asks for the metrics of all."""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    heard_at: float = field(default_factory=lambda: time.monotonic() + _START_SECONDS)
    """When it was last heard of; before that, when it might have been."""
    was_silent: bool = False
    families: tuple[Family, ...] = ()
    """Its metrics as it last told them."""
    _asked: dict[int, "asyncio.Future[None]"] = field(default_factory=dict)

    async def follow(self) -> None:
        """Listen until it hangs up, and see it to its end."""
        try:
            async for message in self.line.heard():
                self.heard_at = time.monotonic()
                self._hear(message)
            await self._end()
        finally:
            self.line.hang_up()
            self.ready.set()  # nobody need wait for that any more
            self.ended.set()

    def _hear(self, message: Message) -> None:
        match message:
            case Ready():
                self.ready.set()
            case Ask(number):
                self.asks(self, number)
            case Told(number, families):
                self.families = families
                if number in self._asked:
                    self._asked.pop(number).set_result(None)
            case Alive() | _:
                return

    async def _end(self) -> None:
        while self.process.poll() is None:  # noqa: ASYNC110 - nothing tells of it but to ask
            await asyncio.sleep(_END_POLL_SECONDS)

    @property
    def is_serving(self) -> bool:
        """Say whether it is ready and lives."""
        return self.ready.is_set() and not self.ended.is_set()

    @property
    def status(self) -> int | None:
        """Return how it ended; None while it lives."""
        return self.process.returncode

    async def ask(self, *, seconds: float) -> None:
        """Ask for its metrics; where it does not answer in time, those of before remain."""
        number = next(_numbers)
        asked = self._asked[number] = asyncio.get_running_loop().create_future()
        self.line.say(Ask(number))
        await asyncio.wait({asked}, timeout=seconds)
        self._asked.pop(number, None)

    def stop(self) -> None:
        """Tell it to finish what it has begun."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)


async def start(
    number: int, plan: Callable[[int], Plan], asks: Callable[[Member, int], None]
) -> Member:
    """Start a worker's process; `plan` is told which file the worker's end of the line is."""
    ours, theirs = socket.socketpair()
    with theirs:
        given = plan(theirs.fileno())
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - it returns at once; our own program
            [sys.executable, "-m", "prefsvc.processes.worker", msgspec.json.encode(given).decode()],
            pass_fds=(given.line, *given.http, *given.mail),
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the parent, which then stops it in order
        )
    return Member(number, process, await Line.over(ours), asks)


@dataclass(slots=True)
class Gone:
    """What was counted by those that are gone."""

    families: tuple[Family, ...] = ()

    def bury(self, member: Member) -> None:
        """Keep what it counted as it was last seen, so that no sum ever falls."""
        self.families = totals.together([self.families, totals.counted(member.families)])
