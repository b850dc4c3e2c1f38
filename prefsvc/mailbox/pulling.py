"""What is done with the mail that lies in a mailbox: taken like any other, then marked.

A mail is marked only when what it asks for is durable. Whoever is killed in between leaves it
unmarked, and it is taken again and known (prefsvc/mail/identity.py). A mail that cannot be taken
stops nobody behind it: it waits for its next turn, and after some turns it is set aside.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import structlog

from prefsvc import metrics
from prefsvc.brand import Mailbox
from prefsvc.brands import AppliedBrand
from prefsvc.doors import Service
from prefsvc.mail.addresses import recipients
from prefsvc.mail.mail import Mail
from prefsvc.mail.reading import Outcome
from prefsvc.mailbox.addressed import with_token
from prefsvc.mailbox.authenticating import Provenance
from prefsvc.mailbox.making import ACTED_ON, Arrived
from prefsvc.mailbox.taking import take
from prefsvc.outward.imap import Pulled
from prefsvc.outward.imap_faults import MailboxError
from prefsvc.outward.imap_line import Line
from prefsvc.settings import Settings

log = structlog.get_logger()

_WAIT_SECONDS_MAX: Final = 300.0
_IN_A_ROW_MAX: Final = 3
"""So many that fail one after the other are no fault of theirs."""
_OF_THE_REGISTER: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_OF_THE_MAIL: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)


def wait_seconds(settings: Settings, failures: int) -> float:
    """Return how long to wait after so many failures in a row."""
    return min(_WAIT_SECONDS_MAX, settings.mailbox_retry_seconds * 2.0 ** min(failures - 1, 16))


@dataclass(slots=True)
class Trouble:
    """A mail that could not be taken: how often, and when it is tried again."""

    tries: int = 0
    own_count: int = 0
    """How often it was at fault itself, and not the register."""
    again_at: float = 0.0


@dataclass(slots=True)
class Pull:
    """One mailbox that is pulled from: whose it is, and the mails in it that gave trouble."""

    service: Service
    brand: AppliedBrand
    mailbox: Mailbox
    ending: asyncio.Event
    """Set when somebody waits for it to come to an end."""
    uid_validity: int = 0
    troubles: dict[int, Trouble] = field(default_factory=dict)
    in_doubt: list[int] = field(default_factory=list)
    """Those that the register did not take, while it is not known whether it takes any."""
    took: bool = False
    """Whether the register took one in this round."""

    async def drain(self, line: Line) -> None:
        """Take everything that waits, but what rests after a failure.

        While the database does not answer nothing is spooled: the mailbox keeps it as safely.
        """
        if self.service.spool.is_away:
            raise MailboxError("not_recorded")
        self.in_doubt, self.took = [], False
        marked: set[int] = set()
        while found := await self._look(line):
            if marked & set(found):
                raise MailboxError("marks_not_kept")
            marked = set()
            for group in await self._groups(line, found):
                if self.ending.is_set():
                    return
                marked |= await self._take_group(line, group)
        metrics.MAILBOX_ASIDE.labels(self.mailbox.name).set(
            await line.call(line.session.count_aside)
        )

    def rests_seconds(self, most: float) -> float:
        """Return how long there is nothing to do unless mail comes, at most so long."""
        now = asyncio.get_running_loop().time()
        turns = (trouble.again_at - now for trouble in self.troubles.values())
        return max(0.0, min([most, *turns]))

    async def _look(self, line: Line) -> list[int]:
        await self._set_aside(line)
        now, most = asyncio.get_running_loop().time(), self.service.settings.mailbox_batch_max
        resting = {uid for uid, trouble in self.troubles.items() if trouble.again_at > now}
        uid_validity, found = await line.call(line.session.waiting, most=most, without=resting)
        if uid_validity != self.uid_validity:
            self.uid_validity = uid_validity
            self.troubles.clear()  # the ids are others' now
        if len(found) < most:  # what is neither there nor rests, somebody else took away
            there = resting.union(found)
            self.troubles = {uid: one for uid, one in self.troubles.items() if uid in there}
        return found

    async def _groups(self, line: Line, found: Sequence[int]) -> list[list[int]]:
        """Part what was found; what gave trouble comes last, each by itself."""
        sound = [uid for uid in found if uid not in self.troubles]
        groups = await line.call(line.session.groups, sound) if sound else []
        return [*groups, *([uid] for uid in found if uid in self.troubles)]

    async def _take_group(self, line: Line, group: list[int]) -> set[int]:
        """Take these mails and mark them; return those that were marked."""
        try:
            pulled = await line.call(line.session.fetch, group)
        except MailboxError:
            self._not_fetched(group)
            raise
        for uid in set(group).difference(mail.uid for mail in pulled):
            self._not_fetched([uid])  # it is gone, or the server cannot give it
        taken: dict[int, bool] = {}
        try:
            for mail in pulled:
                if self.ending.is_set():
                    break
                is_acted_on = await self._try(mail)
                if is_acted_on is not None:
                    taken[mail.uid] = is_acted_on
        finally:
            await self._mark(line, taken)
        await self._set_aside(line)
        return set(taken)

    async def _mark(self, line: Line, taken: dict[int, bool]) -> None:
        if not taken:
            return
        acted_on = [uid for uid, is_acted_on in taken.items() if is_acted_on]
        others = [uid for uid in taken if uid not in acted_on]
        await line.call(line.session.mark, acted_on, others)
        metrics.MAILBOX_MAILS.labels(self.mailbox.name, "taken").inc(len(taken))

    async def _try(self, mail: Pulled) -> bool | None:
        """Take a mail; return whether something followed from it, None where it failed.

        Nothing but a review follows from a doubt: a person reads it, maybe in the mailbox itself.
        """
        try:
            async with asyncio.timeout(self.service.settings.request_timeout_seconds):
                outcomes = await self._take(mail)
        except Exception as error:  # noqa: BLE001 - those behind it must not wait for this one
            self._failed(mail.uid, error)
            return None
        self.troubles.pop(mail.uid, None)
        if outcomes != {"ignored"}:
            self._register_took()
        return bool(outcomes & ACTED_ON)

    async def _take(self, mail: Pulled) -> set[Outcome]:
        if mail.is_cut:
            metrics.MAILBOX_MAILS.labels(self.mailbox.name, "cut").inc()
        read, came = Mail(mail.raw), Provenance()
        host = f"mailbox {self.mailbox.name}"
        async with self.service.mails:
            named = await asyncio.to_thread(_recipients, self.service, read)
        arrived = [
            Arrived(read, one, host, provenance=came, received_at=mail.received_at)
            for one in named or [self.mailbox.address]
        ]
        return {(await take(self.service, one, self.brand)).outcome for one in arrived}

    def _failed(self, uid: int, error: Exception) -> None:
        metrics.MAILBOX_MAILS.labels(self.mailbox.name, "failed").inc()
        # Its text may repeat the mail and is not logged.
        log.warning("mail_not_taken", mailbox=self.mailbox.name, uid=uid, kind=type(error).__name__)
        self._rest(uid)
        if isinstance(error, _OF_THE_MAIL) or not isinstance(error, _OF_THE_REGISTER) or self.took:
            self.troubles[uid].own_count += 1
            return
        self.in_doubt.append(uid)
        if len(self.in_doubt) >= _IN_A_ROW_MAX:
            raise MailboxError("not_recorded")

    def _register_took(self) -> None:
        """Note that the register takes mail: what it did not take was at fault itself."""
        self.took = True
        for uid in self.in_doubt:
            self.troubles[uid].own_count += 1
        self.in_doubt.clear()

    def _not_fetched(self, group: Sequence[int]) -> None:
        """Note that one of these may be what the server cannot give; by itself it will show."""
        if len(group) > 1:
            self.troubles |= {uid: Trouble() for uid in group}
            return
        self._rest(group[0])
        self.troubles[group[0]].own_count += 1

    def _rest(self, uid: int) -> None:
        trouble = self.troubles.setdefault(uid, Trouble())
        trouble.tries += 1
        seconds = wait_seconds(self.service.settings, trouble.tries)
        trouble.again_at = asyncio.get_running_loop().time() + seconds

    async def _set_aside(self, line: Line) -> None:
        most = self.service.settings.mailbox_attempts_max
        hopeless = [uid for uid, trouble in self.troubles.items() if trouble.own_count >= most]
        if not hopeless:
            return
        await line.call(line.session.set_aside, hopeless)
        for uid in hopeless:
            del self.troubles[uid]
            log.error("mail_set_aside", mailbox=self.mailbox.name, uid=uid)


def _recipients(service: Service, mail: Mail) -> list[str]:
    """Return, of those that a mail says it was sent to, the addresses with a token of ours."""
    return with_token(service, recipients(mail.message))
