"""Twilio on this machine, and acme, whose file has its account."""

from dataclasses import replace

import pytest
from pydantic import SecretStr

from prefsvc import brands
from prefsvc.work.consents import teller
from tests.consents.telling import Telling
from tests.support.cast import TWILIO_TOKEN, acme
from tests.support.consent_server import ACCOUNT, TOKEN, listening


@pytest.fixture
async def twilio():
    async with listening() as server:
        yield server


@pytest.fixture
def settings(settings, twilio):
    return settings.model_copy(
        update={
            "twilio_consents_url": twilio.url,
            "twilio_auth_tokens": (SecretStr(TWILIO_TOKEN), SecretStr(f"{ACCOUNT}:{TOKEN}")),
            "twilio_request_seconds": 0.01,
            "twilio_seconds": 0.05,
            "delivery_jitter_percent": 0.0,
        }
    )


@pytest.fixture
async def service(service):
    """The service, with an account in acme's file, and WhatsApp."""
    brand = acme()
    channels = ("email", "sms", "whatsapp", "post")
    told = replace(brand, channels=channels, sms=replace(brand.sms, twilio_account=ACCOUNT))
    async with service.database.transaction() as tx:
        await brands.apply(tx, [told])
    await service.refresh_book()
    return service


@pytest.fixture
async def telling(service, twilio, clock):
    """One process that tells Twilio when the test says so; nothing else runs."""
    twilio.clock = clock
    async with teller(service) as one:
        yield Telling(one, twilio, clock)
