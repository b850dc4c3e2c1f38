"""Driving the loop that tells Twilio by hand, by the test's own clock."""

import asyncio
from dataclasses import dataclass

from prefsvc.work.consents import Teller
from tests.support.consent_server import ConsentServer
from tests.support.register import act, record, withdraw

SERVICE = "MG00000000000000000000000000000acc"
NUMBER = "+12025550100"
TARGETS = (SERVICE, NUMBER)
ROUNDS_MAX = 2000


def phone(number):
    """A number for tests."""
    return f"+1202555{number:04}"


@dataclass
class Telling:
    """A process that tells Twilio, and Twilio."""

    teller: Teller
    twilio: ConsentServer
    clock: object

    @property
    def service(self):
        return self.teller.service

    async def round(self, *, seconds=0.0):
        """Let some time pass, then do one round, and let its requests end."""
        self.clock.move(seconds=seconds)
        await self.teller.begin()
        await self.ended()

    async def ended(self):
        """Wait until no request is under way."""
        while self.teller.underway:
            await asyncio.gather(*self.teller.underway, return_exceptions=True)

    async def until_quiet(self, *, seconds=1.0):
        """Do rounds until nothing moves any more."""
        for _ in range(ROUNDS_MAX):
            before = len(self.twilio.told)
            self.service.bell.told.clear()
            await self.round(seconds=seconds)
            if len(self.twilio.told) == before and not self.service.bell.told.is_set():
                return
        raise AssertionError("it is never quiet")

    async def see(self):
        """See the targets for the first time: what is recorded from here on is fresh."""
        await self.until_quiet()

    async def stops(self, *numbers, source="link", **more):
        """Record opt-outs from texts."""
        return await record(
            self.service,
            *(act(self.service, one, channel="sms", source=source, **more) for one in numbers),
        )

    async def starts(self, *numbers, source="sms_reply", **more):
        """Record opt-ins."""
        return await withdraw(
            self.service,
            *(act(self.service, one, channel="sms", source=source, **more) for one in numbers),
        )

    async def rows(self):
        """Return what waits or failed."""
        return await self.service.database.pool.fetch(
            "select target, is_fresh, state, attempt_count, is_alone, error, next_attempt_at,"
            " claim_id from twilio_consent order by target, created_at, correlation_id"
        )
