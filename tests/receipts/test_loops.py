"""Two services that answer one another, through a mail server that passes mail on."""

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest

from prefsvc import app
from prefsvc.vault import open_vault
from tests.db.databases import new_database
from tests.mailbox.conftest import mail
from tests.receipts.conftest import BOX, CARE, House, applied, initech
from tests.support.mail_relay import LIMIT_SECONDS, Relay, Smtp
from tests.support.taking_mail import listening

THEIRS = CARE.replace("acme", "initech")


@dataclass
class Post(Relay):
    """Hands on what it takes to whoever has the domain, as `passing` alters it."""

    houses: dict[str, House] = field(default_factory=dict)
    passing: object = None
    brought: int = 0

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        answer = await super().handle_DATA(server, session, envelope)
        taken = self.taken[-1]
        for to in taken.recipients:
            raw, sender = self.passing(taken)
            await self.houses[to.partition("@")[2]].sends(raw, to=to, from_=sender)
            async with self.changed:
                self.brought += 1
                self.changed.notify_all()
        return answer

    async def has_brought(self, count):
        async with asyncio.timeout(LIMIT_SECONDS), self.changed:
            await self.changed.wait_for(lambda: self.brought >= count)


def as_it_is(taken):
    return taken.raw, taken.reverse_path


def as_a_person_would(sender, taken):
    """Lose every mark of a program, and ask for what the mailbox is there for."""
    raw = mail("unsubscribe", subject="unsubscribe", from_=sender, to=taken.recipients[0])
    return raw.replace(b"<1@example.org>", taken.mail["Message-ID"].encode()), sender


@pytest.fixture
def relay():
    """Let the post be what mail is handed to, in place of the server that keeps it."""
    return Post()


@asynccontextmanager
async def another_service(server_url, settings, tmp_path, port):
    """Run a service of its own: database, secrets, brand, loops, listener."""
    own = settings.model_copy(update={"secrets_dir": tmp_path / "secrets", "smtp_port": port})
    vault = open_vault(own, make_missing=True)
    async with new_database(server_url) as dsn, app.opened(own, vault, dsn) as service:
        await applied(service, initech())
        async with listening(service) as listening_port:
            yield House(service, listening_port, Relay())


@pytest.fixture
async def two(house, relay, server_url, tmp_path, aiohttp_client):
    """acme in one service and initech in another, with the post between them."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(Smtp, relay), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        house.set(smtp_port=port)
        settings = house.service.settings
        async with another_service(server_url, settings, tmp_path, port) as other:
            running = await aiohttp_client(app.build(other.service))
            relay.houses = {"mail.acme.example.com": house, "mail.initech.example.com": other}
            yield house, other
            await running.close()
            other.threads.shutdown()


async def is_quiet(*houses):
    for house in houses:
        assert await house.is_settled()


async def test_a_receipt_that_reaches_another_service_is_not_answered(two, relay):
    house, other = two
    relay.passing = as_it_is
    raw = mail("", subject="Remove From Mailing List", from_=THEIRS, to=BOX)
    await house.sends(raw, from_=THEIRS)
    await relay.has_brought(1)
    await is_quiet(house, other)
    assert len(relay.taken) == 1
    assert (await house.queued(), await other.queued()) == (1, 0)


async def test_two_that_take_each_other_for_people_write_once_each(two, relay):
    """Whatever lies between them strips every mark, and each says stop to the other again."""
    house, other = two
    relay.passing = lambda taken: as_a_person_would(
        re.search(r"<(.+)>", taken.mail["From"])[1], taken
    )
    raw = mail("", subject="Remove From Mailing List", from_=THEIRS, to=BOX)
    await house.sends(raw, from_=THEIRS)
    await relay.has_brought(2)
    await is_quiet(house, other)
    assert [one.recipients for one in relay.taken] == [[THEIRS], [CARE]]
    assert (await house.queued(), await other.queued()) == (1, 1)
    # Each has heard the other, and has no more to say to it, however often that goes on.
    for number in range(5):
        again = mail("unsubscribe", from_=THEIRS, to=BOX, Message_ID=f"<{number}@example.org>")
        await house.sends(again, from_=THEIRS)
    await is_quiet(house, other)
    assert len(relay.taken) == 2
