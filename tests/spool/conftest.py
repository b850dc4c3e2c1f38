import pytest

from prefsvc import app, links
from prefsvc.links import Link
from prefsvc.work.spooling import spooling
from tests.support.cast import ANN


@pytest.fixture
async def client(service, aiohttp_client, monkeypatch):
    """A client of the application without its loops: a test tends the spool when it wants to."""

    async def no_loops(_):
        yield

    monkeypatch.setattr(app, "_loops", no_loops)
    return await aiohttp_client(app.build(service))


@pytest.fixture
def away(service):
    """The database does not answer from now on."""
    service.spool.note(is_away=True)
    return service


@pytest.fixture
def tend(service):
    """Do a round of the loop that asks the database and gives back what was spooled."""
    return spooling(service)


@pytest.fixture
def sealed(service):
    """A link with the address in it."""

    def made(address=ANN, **more):
        return f"/u/{links.seal(service.book.keyring.key('acme'), Link('email', address, **more))}"

    return made


@pytest.fixture
def ledger(service):
    """Read all rows of the ledger in their order."""

    async def rows():
        return await service.database.pool.fetch(
            "select e.*, a.canonical from preference_event as e"
            " left join address as a using (bucket, address_key) order by e.event_id"
        )

    return rows


@pytest.fixture
async def read_only(service):
    """The database takes no writes: a standby, or its provider has stopped them."""
    pool = service.database.pool
    name = await pool.fetchval("select current_database()")

    async def only_reads(word):
        await pool.execute(
            "begin; set transaction read write;"
            f" alter database {name} set default_transaction_read_only = {word}; commit"
        )

    await only_reads("on")
    await pool.expire_connections()
    yield only_reads
    await only_reads("off")
    await pool.expire_connections()
