"""Pull mail from the brands' mailboxes: a task for each, which waits for mail and takes it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import SystemRandom
from typing import Final

import structlog

from prefsvc import metrics
from prefsvc.brand import Mailbox
from prefsvc.brands import AppliedBrand
from prefsvc.db.lanes import lane
from prefsvc.doors import Service
from prefsvc.mailbox.pulling import Pull, wait_seconds
from prefsvc.outward.imap_faults import MailboxError
from prefsvc.outward.imap_line import Line, line_to
from prefsvc.work.underway import come_to_an_end

log = structlog.get_logger()

_chance: Final = SystemRandom()

_OF_LOGIN: Final = frozenset({"login_refused", "no_password"})
_LONGER_AFTER_A_LOGIN: Final = 12
"""So many times: who tries more often is taken for a burglar, and the account is locked."""


@dataclass(slots=True)
class Puller:
    """Has mailboxes under way, each in a task of its own."""

    service: Service
    tasks: dict[str, tuple[Mailbox, int, asyncio.Task[None]]] = field(default_factory=dict)
    """By the mailbox's name; with the brand's id."""
    rests: Counter[str] = field(default_factory=Counter)
    """How often each was through, with all taken, and began to wait for news."""
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever one was, or could not be looked into."""
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the service stops, and when another process leads."""

    async def begin(self) -> None:
        """Pull from every mailbox of the book; leave those that are gone, or are others now."""
        wanted = self.service.book.by_mailbox if self.service.settings.mailboxes_pulled else {}
        for name, (mailbox, brand_id, task) in list(self.tasks.items()):
            found = wanted.get(name)
            if task.done() or found is None or (found[0].brand_id, found[1]) != (brand_id, mailbox):
                await self._leave(name)
        for name, (brand, mailbox) in wanted.items():
            if name not in self.tasks:
                self._spawn(brand, mailbox)

    async def finish(self) -> None:
        """Let mails that are being taken be taken and marked; break off what takes longer."""
        self.ending.set()
        grace_seconds = self.service.settings.shutdown_grace_seconds
        tasks = [task for _, _, task in self.tasks.values()]
        await come_to_an_end(tasks, grace_seconds=grace_seconds)

    def _spawn(self, brand: AppliedBrand, mailbox: Mailbox) -> None:
        metrics.MAILBOX_PULLED.labels(mailbox.name).set_to_current_time()
        pull = Pull(self.service, brand, mailbox, self.ending)
        with lane("intake"):  # what is pulled are opt-outs
            task = asyncio.create_task(self._pull(pull), name=f"mailbox {mailbox.name}")
        self.tasks[mailbox.name] = (mailbox, brand.brand_id, task)

    async def _leave(self, name: str) -> None:
        _, _, task = self.tasks.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for gauge in metrics.OF_MAILBOXES:
            with suppress(KeyError):
                gauge.remove(name)

    async def _pull(self, pull: Pull) -> None:
        """Look into a mailbox until told to stop, again and again after faults."""
        faults = 0
        while not self.ending.is_set():
            try:
                async with self._line(pull.mailbox) as line:
                    while not self.ending.is_set():
                        await self._look(pull, line)
                        await self._wait_for_news(pull, line)
                        faults = 0
            except Exception as error:  # noqa: BLE001 - a task that died would fail in silence
                faults += 1
                await self._wait_after(pull.mailbox, error, faults)

    @asynccontextmanager
    async def _line(self, mailbox: Mailbox) -> AsyncIterator[Line]:
        password = self.service.vault.mailbox_password(mailbox.name)
        if password is None:
            raise MailboxError("no_password")
        async with line_to(self.service.settings, mailbox, password) as line:
            yield line

    async def _look(self, pull: Pull, line: Line) -> None:
        # The brand as it is now: its topics and mailboxes may have changed meanwhile.
        pull.brand = self.service.book.by_id.get(pull.brand.brand_id, pull.brand)
        await pull.drain(line)
        metrics.MAILBOX_PULLED.labels(pull.mailbox.name).set_to_current_time()

    async def _wait_for_news(self, pull: Pull, line: Line) -> None:
        def begun() -> None:
            self.rests[pull.mailbox.name] += 1
            self.heard.set()

        seconds = pull.rests_seconds(self.service.settings.mailbox_poll_seconds)
        await line.news(self.ending, seconds=seconds, begun=begun)

    async def _wait_after(self, mailbox: Mailbox, error: Exception, faults: int) -> None:
        how = error.how if isinstance(error, MailboxError) else type(error).__name__
        metrics.MAILBOX_FAULTS.labels(mailbox.name, how).inc()
        longer = _LONGER_AFTER_A_LOGIN if how in _OF_LOGIN else 1
        seconds = wait_seconds(self.service.settings, faults) * longer * _chance.uniform(0.9, 1.1)
        say = log.error if how in _OF_LOGIN else log.warning
        say("mailbox_not_pulled", mailbox=mailbox.name, how=how, again_seconds=round(seconds))
        self.heard.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.ending.wait(), seconds)


@asynccontextmanager
async def puller(service: Service) -> AsyncIterator[Puller]:
    """Pull for the block; at the end, finish what is under way."""
    made = Puller(service)
    try:
        yield made
    finally:
        await made.finish()
