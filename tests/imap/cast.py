"""A mailbox of acme's at a real server, and prefsvc pulling from it, in this process."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prefsvc import brands, metrics
from prefsvc.brand import Brand
from prefsvc.work import mailboxes
from tests.mailbox.conftest import mail
from tests.support.cast import ACME, BOB

NAME = "acme-replies"
LIMIT_SECONDS = 60
LETTER = mail("Where is my order?", from_=BOB, Message_ID="<letter@example.org>")


@dataclass
class Pulling:
    """A puller at work."""

    puller: mailboxes.Puller
    name: str = NAME

    @property
    def rests(self):
        return self.puller.rests[self.name]

    async def until(self, is_so):
        """Wait until something is so, looking whenever the puller has done something."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while not is_so():
                self.puller.heard.clear()
                await self.puller.heard.wait()

    async def through(self, rests=1):
        """Wait until all that lies in the mailbox is taken, for the so-many-th time."""
        await self.until(lambda: self.rests >= rests)

    async def after(self, what):
        """Do something in a thread; wait until the mailbox was looked into once more."""
        before = self.rests
        await asyncio.to_thread(what)
        await self.until(lambda: self.rests > before)

    def faults(self, how):
        return metrics.MAILBOX_FAULTS.labels(self.name, how)._value.get()

    async def fails(self, how):
        """Wait until it could not be looked into once more."""
        before = self.faults(how)
        await self.until(lambda: self.faults(how) > before)


@dataclass
class Box:
    """Somebody's mailbox at a server, by what its owner sees of it."""

    service: object
    server: object
    user: str

    async def set_up(self, *, server=None, **more):
        """Apply acme with this mailbox."""
        port = (server or self.server).port
        mailbox = {"name": NAME, "server": f"127.0.0.1:{port}", "security": "none"}
        await apply(self.service, acme_with(**mailbox | {"user": self.user} | more))

    def at(self, server):
        """Return the same one at another server."""
        return Box(self.service, server, self.user)

    def owner(self):
        return self.server.client(self.user)

    def deliver(self, *mails, **how):
        self.server.deliver(self.user, *mails, **how)

    def flags(self, *folder):
        return self.server.flags(self.user, *folder)


def acme_with(**mailbox):
    """Return acme with a mailbox; None takes it out."""
    lines = "".join(f'{key} = "{value}"\n' for key, value in mailbox.items())
    return Brand.from_toml(f"{ACME}[[mailboxes]]\n{lines}" if lines else ACME, file="acme.toml")


async def apply(service, brand):
    async with service.database.transaction() as tx:
        await brands.apply(tx, [brand])
    await service.refresh_book()


@asynccontextmanager
async def pulling(service, *, name=NAME):
    """Pull from every mailbox of the book for the block."""
    async with mailboxes.puller(service) as puller:
        await puller.begin()
        yield Pulling(puller, name)


def change(service, **settings):
    service.settings = service.settings.model_copy(update=settings)


async def count(service, table="preference_event"):
    return await service.database.pool.fetchval(f"select count(*) from {table}")


def people(number):
    """Return mails in which so many people ask to be removed."""
    return [
        mail(from_=f"person{n}@example.org", Message_ID=f"<{n}@example.org>") for n in range(number)
    ]
