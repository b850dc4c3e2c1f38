"""One server and one database a session, migrated as in production, emptied after each test."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

from prefsvc import api_keys, app, brands, senders
from prefsvc.settings import Settings
from prefsvc.vault import open_vault
from tests.support import scratch_database
from tests.support.cast import ORIGIN, TELNYX_PUBLIC_KEY, TWILIO_TOKEN, Clock, acme, globex

ROOT = Path(__file__).parents[1]
CORPORA = Path(os.environ.get("PREFSVC_CORPORA") or ROOT.parent / "shared" / "corpora")

# How long an example takes depends on what else the machine does: no claim of ours.
hypothesis.settings.register_profile("prefsvc", deadline=None)
hypothesis.settings.load_profile("prefsvc")

# What `nohup make test` leaves to us, services would inherit: they would ignore SIGHUP, too.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

TABLES = (
    "import_refusal", "import_place", "import", "twilio_consent", "twilio_target", "twilio_account",
    "mail_origin", "mail_flood",
    "delivery_attempt", "delivery", "endpoint", "alarm", "sender_watch", "violation", "case_note",
    "honour_case", "send_report", "mailing", "handover", "feed_tally", "review", "reach_backlog",
    "idempotent_answer", "short_link", "receipt", "ledger_checkpoint", "suppression", "evidence",
    "preference_event", "address", "feed_head", "api_key", "acknowledgement", "sender", "brand",
    "installation", "deadline_basis",
)  # fmt: skip


@pytest.fixture(scope="session")
def server_url():
    with scratch_database.server() as server_url:
        yield server_url


@pytest.fixture(scope="session")
def database_url(server_url):
    with scratch_database.database(server_url, f"prefsvc_test_{os.getpid()}") as dsn:
        yield dsn


@pytest.fixture(scope="session")
def secrets_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("secrets")


@pytest.fixture(scope="session")
def said_settings(secrets_dir):
    """What is said once: to read it takes long, with hundreds of names to look for."""
    return Settings(
        secrets_dir=secrets_dir,
        public_url=ORIGIN,
        twilio_auth_tokens=TWILIO_TOKEN,
        telnyx_public_keys=TELNYX_PUBLIC_KEY,
        checkpoint_seconds=0.05,
        # A machine that others use, too, may stand still for a while: that is no database away.
        spool_after_seconds=8,
        # Nobody outside is asked by a test.
        twilio_api_url="http://127.0.0.1:1",
        twilio_consents_url="http://127.0.0.1:1/v1/Consents/Bulk",
    )


@pytest.fixture
def settings(said_settings, tmp_path):
    return said_settings.model_copy(update={"spool_dir": tmp_path / "spool"})


@pytest.fixture
def vault(settings):
    return open_vault(settings, make_missing=True)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def service(settings, vault, database_url, clock):
    """The service, with the brands acme and globex applied."""
    async with app.opened(settings, vault, database_url, clock=clock) as service:
        async with service.database.transaction() as tx:
            await brands.apply(tx, [acme(), globex()])
        await service.refresh_book()
        yield service
        emptying = "; ".join(f"delete from {table}" for table in TABLES)
        await service.database.pool.execute(emptying)


@pytest.fixture
async def client(service, aiohttp_client):
    """An HTTP client of the running application, which stops before its service is closed."""
    return await aiohttp_client(app.build(service))


@dataclass(frozen=True)
class Keys:
    """API keys as headers: acme's mailer and texter, its operator, globex's, and the house's."""

    mailer: dict[str, str]
    texter: dict[str, str]
    operator: dict[str, str]
    globex_mailer: dict[str, str]
    globex_operator: dict[str, str]
    house: dict[str, str]


@pytest.fixture
async def keys(service):
    async with service.database.transaction() as tx:

        async def key(slug=None, sender=None, channel="email"):
            brand = service.book.get(slug) if slug else None
            added = await senders.add(tx, brand, sender, channel) if sender else None
            made = await api_keys.create(tx, label="test", brand=brand, sender=added)
            return {"Authorization": f"Bearer {made}"}

        return Keys(
            mailer=await key("acme", "mailer"),
            texter=await key("acme", "texter", "sms"),
            operator=await key("acme"),
            globex_mailer=await key("globex", "mailer"),
            globex_operator=await key("globex"),
            house=await key(),
        )


@pytest.fixture(scope="session")
def corpora():
    if not CORPORA.is_dir():
        pytest.skip("no corpora at PREFSVC_CORPORA: they are kept outside the project")
    return CORPORA
