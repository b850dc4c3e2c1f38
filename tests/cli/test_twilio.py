import asyncio

import pytest

from prefsvc.address import Address
from prefsvc.db.connection import single
from prefsvc.opt_outs import Act
from prefsvc.recipients import Recipient
from prefsvc.suppression import Scope
from prefsvc.work.consents import teller
from tests.support.cast import ANNS_PHONE
from tests.support.consent_server import ACCOUNT, TOKEN, listening

BRAND = "1-atelier"
TOKENS = f"{ACCOUNT}:{TOKEN}"


@pytest.fixture
def with_account(prefsvc, brand_files, dsn):
    """A shipped brand that has an account."""
    file = brand_files / f"{BRAND}.toml"
    text = file.read_text("utf-8")
    assert "[sms]" not in text
    text = text.replace('channels = ["email", "post"]', 'channels = ["email", "sms", "post"]', 1)
    text = 'numbers = ["+12025550190"]\nsms.twilio_account = "' + ACCOUNT + '"\n' + text
    file.write_text(text, "utf-8")
    ran = prefsvc("brands", "apply", file)
    assert (ran.code, ran.err) == (0, "")
    yield
    asyncio.run(_empty(dsn))


async def _empty(dsn):
    async with single(dsn) as conn:
        for table in ("twilio_consent", "twilio_target", "twilio_account"):
            await conn.execute(f"delete from {table}")


@pytest.fixture
def refused(work, with_account, prefsvc):
    """Tell Twilio of an opt-out, which it refuses for good."""

    async def tell(service):
        async with listening() as twilio:
            twilio.errors[ANNS_PHONE] = (30646, ["INVALID_CONTACT_ID"])
            service.settings = service.settings.model_copy(
                update={"twilio_consents_url": twilio.url, "twilio_request_seconds": 0.001}
            )
            recipient = Recipient.of(Address.for_opt_out("sms", ANNS_PHONE), service.vault)
            brand = service.book.get(BRAND)
            await service.record([Act(brand, recipient, Scope("channel"), "link", {"how": "test"})])
            async with teller(service) as one:
                for _ in range(3):
                    await one.begin()
                    await asyncio.gather(*one.underway)

    return lambda: work(tell)


def test_without_any_account_it_says_so(prefsvc, brands):
    ran = prefsvc("twilio", "status")
    assert (ran.code, ran.out) == (
        0, "Twilio is told of no opt-outs: no brand's file has an account.\n",
    )  # fmt: skip


def test_an_account_without_a_token_is_told_what_to_do(prefsvc, brands, with_account):
    ran = prefsvc("twilio", "status", BRAND)
    assert ran.out.splitlines()[0] == (
        f"{BRAND}  {ACCOUNT}  no token: add {ACCOUNT}:TOKEN to PREFSVC_TWILIO_AUTH_TOKENS"
    )
    ran = prefsvc("doctor")
    assert f"add {ACCOUNT}:TOKEN to PREFSVC_TWILIO_AUTH_TOKENS" in ran.out
    assert ran.code == 1


def test_what_failed_is_shown_and_told_again(prefsvc, brands, refused, monkeypatch):
    monkeypatch.setenv("PREFSVC_TWILIO_AUTH_TOKENS", TOKENS)
    refused()
    status = prefsvc("twilio", "status", BRAND)
    assert "  failed    1: 30646 INVALID_CONTACT_ID" in status.out.splitlines()
    assert "  fresh     nothing waits" in status.out.splitlines()
    assert "  +12025550190  0 at the most wait, 1 failed" in status.out.splitlines()
    assert ANNS_PHONE not in status.out
    doctor = prefsvc("doctor")
    assert "0 to be told, 1 failed: `prefsvc twilio status` says why" in doctor.out
    assert prefsvc("twilio", "retry", BRAND).out == "To be told again: 1.\n"
    assert prefsvc("twilio", "retry").out == "To be told again: 0.\n"
    status = prefsvc("twilio", "status")
    assert "  backfill  1 wait, 0 positions to be read; through by 2" in status.out
    refused()
    assert "  failed    1: 30646 INVALID_CONTACT_ID" in prefsvc("twilio", "status").out


def test_an_unknown_brand_is_refused(prefsvc, brands):
    for action in ("status", "retry"):
        ran = prefsvc("twilio", action, "nobody")
        assert (ran.code, ran.out) == (1, "")
