"""People who opt out at every door, at a steady rate, and what they were told."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

import aiosmtplib
from aiohttp import ClientError

from tests.drills.caller import PATIENCE_SECONDS, Caller
from tests.drills.doors import Door, OptOut

LIMIT_SECONDS = 180
"""For what comes about by itself, on a machine that has other things to do."""
SAID_AGAIN = 0.03
"""How many of those that were acknowledged come a second time, as networks repeat them."""
KEPT = "202"
"""Says that it counts and is recorded later; only the API's answers tell."""
TRY_AGAIN_BY_SMTP = range(400, 500)
PAUSE_SECONDS = 10
"""So long those wait who come back: long enough to be no load, short enough for a drill."""


@dataclass(slots=True)
class _Seen:
    """What is known of one door: when the last request began that was answered, or taken."""

    answered: float = 0
    taken: float = 0
    is_exhausted: bool = False


@dataclass
class Traffic:
    """All requests of a drill."""

    caller: Caller
    doors: Sequence[Door]
    random: Random
    per_second: float
    at_once: int = 48
    opt_outs: list[OptOut] = field(default_factory=list)
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By door, and by status or kind of failure."""
    slowest: dict[str, float] = field(default_factory=dict)
    """By door, the longest wait for an answer, in seconds."""
    acknowledged: int = 0
    _waiting: deque[tuple[float, OptOut]] = field(default_factory=deque)
    """From when each comes back."""
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.at_once)
        self._seen = {door.name: _Seen() for door in self.doors}
        self._next = {door.name: door.opt_outs() for door in self.doors}

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Let people come for the block; then have every answer, and none more begins."""
        async with asyncio.TaskGroup() as group:
            arriving = group.create_task(self._arrive(group))
            yield
            arriving.cancel()

    async def finish(self) -> None:
        """Let those come back who still wait, now that the service is there again."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while self._waiting:
                again = [self._waiting.popleft()[1] for _ in range(min(16, len(self._waiting)))]
                await asyncio.gather(*map(self._visit, again))

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for something that answers bring about."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()

    async def more(self, count: int) -> None:
        """Wait until so many more are acknowledged."""
        wanted = self.acknowledged + count
        await self.until(lambda: self.acknowledged >= wanted or self._is_over)

    async def taken_everywhere(self) -> None:
        """Wait until every door has acknowledged what was asked of it from now on."""
        since = time.monotonic()
        await self.until(lambda: all(_.taken > since for _ in self._open))

    async def answered_everywhere(self) -> None:
        """Wait until every door has answered, well or badly, what was asked of it from now on."""
        since = time.monotonic()
        await self.until(lambda: all(_.answered > since for _ in self._open))

    async def unrecorded(self, count: int) -> None:
        """Wait until so many more were refused, or only kept for later."""
        wanted = self._unrecorded + count
        await self.until(lambda: self._unrecorded >= wanted)

    @property
    def refusals(self) -> int:
        """How many answers, or failures to answer, acknowledged nothing."""
        return sum(n for (_, word), n in self.answers.items() if not _is_taken(word))

    @property
    def _unrecorded(self) -> int:
        return self.refusals + sum(n for (_, word), n in self.answers.items() if word == KEPT)

    @property
    def wrong_answers(self) -> list[str]:
        """Answers that say something else than "taken" or "try again"."""
        return sorted(
            f"{door} answered {word} ({count} times)"
            for (door, word), count in self.answers.items()
            if not _is_taken(word) and not _says_try_again(door, word)
        )

    @property
    def _open(self) -> list[_Seen]:
        return [seen for seen in self._seen.values() if not seen.is_exhausted]

    @property
    def _is_over(self) -> bool:
        return not self._open

    async def _arrive(self, group: asyncio.TaskGroup) -> None:
        due = time.monotonic()
        while True:
            # What the service could not take in time does not come all at once afterwards.
            due = max(due + 1 / self.per_second, time.monotonic() - 1)
            await asyncio.sleep(due - time.monotonic())
            if self._waiting and self._waiting[0][0] < time.monotonic():
                await self._begin(group, self._waiting.popleft()[1])  # beside those who are new
            one = self._somebody()
            if one is None:
                return
            await self._begin(group, one)

    async def _begin(self, group: asyncio.TaskGroup, one: OptOut) -> None:
        await self._slots.acquire()
        group.create_task(self._visit(one)).add_done_callback(lambda _: self._slots.release())

    def _somebody(self) -> OptOut | None:
        """Return who comes next."""
        while open_doors := [door for door in self.doors if not self._seen[door.name].is_exhausted]:
            [door] = self.random.choices(open_doors, [one.weight for one in open_doors])
            if one := next(self._next[door.name], None):
                self.opt_outs.append(one)
                return one
            self._seen[door.name].is_exhausted = True
            self._changed.set()
        return None

    async def _visit(self, one: OptOut) -> None:
        client = one.door.client
        if one.is_given_up:
            return
        while not await self._try(one):
            if one.tries >= client.tries:
                return
            if client.waits:
                self._waiting.append((time.monotonic() + PAUSE_SECONDS, one))
                return
        if self.random.random() < SAID_AGAIN:
            one.was_repeated = True
            await self._knock(one)

    async def _try(self, one: OptOut) -> bool:
        one.tries += 1
        one.begun_at = one.begun_at or datetime.now(UTC)
        word = await self._knock(one)
        if is_taken := _is_taken(word):
            one.acknowledged_at = datetime.now(UTC)
            self.acknowledged += 1
        return is_taken

    async def _knock(self, one: OptOut) -> str:
        """Knock once, and note what was answered: a status, or why there was none."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                word = str(await one.door.knock(self.caller, one))
        except TimeoutError:
            word = "nothing"
        except (ClientError, aiosmtplib.SMTPException, OSError):
            word = "broken off"
        seen = self._seen[one.door.name]
        seen.answered = max(seen.answered, began)
        seen.taken = max(seen.taken, began if _is_taken(word) else 0)
        took = time.monotonic() - began
        self.slowest[one.door.name] = max(self.slowest.get(one.door.name, 0), took)
        self.answers[one.door.name, word] += 1
        self._changed.set()
        return word


def _is_taken(word: str) -> bool:
    return word.startswith("2")


def _says_try_again(door: str, word: str) -> bool:
    if word == "broken off":
        return True
    if door.startswith("smtp"):
        return word.isdecimal() and int(word) in TRY_AGAIN_BY_SMTP
    return word == "503"
