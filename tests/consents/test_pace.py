"""All processes together keep to an account's pace, whatever their clocks and threads do."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from prefsvc import brands
from prefsvc.work.consents import teller
from tests.consents.telling import phone
from tests.support.cast import globex
from tests.support.consent_server import ACCOUNT, REQUESTS_MAX

BEGINNING = datetime(2026, 11, 20, 17, tzinfo=UTC)
STEP_SECONDS = 0.1


async def test_two_processes_together_never_pass_a_hundred_requests_in_any_minute(telling):
    """S-30. Each request carries one item, so that the pace, and not the work, is what ends."""
    settings = telling.service.settings.model_copy(update={"twilio_request_seconds": 0.64})
    telling.service.settings = settings
    telling.clock.stop(BEGINNING)
    await telling.see()
    await telling.stops(*[phone(number) for number in range(100, 200)])
    await telling.service.database.pool.execute("select 1")
    async with teller(telling.service) as second:
        await telling.teller.begin()
        await _alone(telling)
        for _ in range(1400):
            telling.clock.move(seconds=STEP_SECONDS)
            await asyncio.gather(telling.teller.begin(), second.begin())
            for one in (telling.teller, second):
                await asyncio.gather(*one.underway)
            if not await telling.rows():
                break
    times = [one.at for one in telling.twilio.told]
    assert len(times) > REQUESTS_MAX
    assert telling.twilio.slowed == 0
    assert min(after - before for before, after in pairwise(times)) >= timedelta(seconds=0.64)
    # And they do not dawdle: each gap is the pace, rounded up to the test's step.
    assert max(after - before for before, after in pairwise(times)) <= timedelta(seconds=0.8)


async def _alone(telling):
    await telling.ended()
    await telling.service.database.pool.execute("update twilio_consent set is_alone = true")


async def test_brands_of_one_account_share_its_requests(telling):
    service = telling.service
    brand = globex()
    shared = replace(brand, sms=replace(brand.sms, twilio_account=ACCOUNT))
    async with service.database.transaction() as tx:
        await brands.apply(tx, [shared])
    await service.refresh_book()
    await telling.see()
    await telling.stops(phone(130))
    await telling.stops(phone(130), brand="globex")
    await telling.until_quiet()
    [request] = telling.twilio.told
    senders = {item["sender_id"] for item in request.items}
    assert senders == {*shared.numbers, *service.book.get("acme").brand.twilio_targets}
