"""acme answers who opts out by mail: mail comes in by SMTP and goes out by SMTP, both for real."""

import asyncio
import re
import smtplib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from prefsvc import brands
from prefsvc.brand import Brand
from tests.support.cast import ACME, ANN
from tests.support.mail_relay import Relay, relaying
from tests.support.taking_mail import listening
from tests.support.waiting import until

BOX = "stop@mail.acme.example.com"
CARE = "care@mail.acme.example.com"
MAIL = f"""
[mail]
unsubscribe = ["{BOX}"]
from = "{CARE}"
"""


def answering(more="", mail=MAIL):
    """Return acme as a brand that answers."""
    return Brand.from_toml(ACME + mail + more, file="acme.toml")


def initech():
    """Return another brand that answers, beside acme."""
    own = (ACME + MAIL).replace("Acme", "Initech").replace("acme", "initech")
    apart = own.replace("+12025550100", "+12025550177").replace("acc", "dad")
    return Brand.from_toml(apart, file="initech.toml")


async def applied(service, brand):
    async with service.database.transaction() as tx:
        await brands.apply(tx, [brand])
    await service.refresh_book()


@dataclass
class House:
    """A service that takes mail, and the mail server that it hands its own to."""

    service: object
    port: int
    relay: Relay
    # Of its own: the service reads mail in the threads of the loop.
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(32))

    async def sends(self, raw, *, to=BOX, from_=ANN):
        """Hand a mail over in one conversation; raise what smtplib raises."""

        def talk():
            with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as server:
                server.sendmail(from_, [to], raw)

        await asyncio.get_running_loop().run_in_executor(self.threads, talk)

    async def value(self, query, *given):
        return await self.service.database.pool.fetchval(query, *given)

    async def queued(self):
        """Count what was ever put on its way: durable since the mail was taken."""
        return await self.value("select count(*) from delivery where type = 'receipt'")

    async def is_settled(self, state="delivered"):
        """Wait until nothing is on its way any more; say whether all ended so."""
        pending = "select from delivery where state = 'pending'"
        await until(lambda: self.value(f"select not exists ({pending})"))
        return not await self.value("select count(*) from delivery where state <> $1", state)

    async def has_tried(self, times=1):
        """Wait until the one receipt was tried so often."""
        await until(lambda: self.value("select attempt_count >= $1 from delivery", times))

    async def tries_again(self):
        """Let it be tried at once, whatever its schedule says."""
        pool = self.service.database.pool
        await pool.execute("update delivery set next_attempt_at = created_at")
        self.service.enqueued.set()

    def set(self, **settings):
        self.service.settings = self.service.settings.model_copy(update=settings)


@pytest.fixture
async def relay():
    async with relaying() as relay:
        yield relay


@pytest.fixture
async def taking(service, relay):
    """A house whose loops do not run: what it queues stays in the queue."""
    await applied(service, answering())
    house = House(service, 0, relay)
    house.set(
        smtp_host="127.0.0.1",
        smtp_port=relay.port,
        smtp_security="none",
        mail_listen_port=0,
        mail_connections_per_host_max=32,
        delivery_jitter_percent=0.0,
        delivery_seconds=0.05,
        delivery_timeout_seconds=5.0,
    )
    async with listening(service) as house.port:
        yield house
    house.threads.shutdown()


@pytest.fixture
async def house(taking, client):
    """The same with its loops."""
    return taking


@pytest.fixture
def path_of():
    """Return the path of the undo that a receipt links to."""

    def found(taken):
        return re.search(r"https://stop\.example\.com(/u/\S+/undo/\S+)", taken.text)[1]

    return found
