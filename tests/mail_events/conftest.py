import pytest

from prefsvc import app, brands
from prefsvc.mail_events.certificates import SNS, Sns
from prefsvc.settings import Settings
from prefsvc.vault import open_vault
from tests.mail_events.providers import SECRETS, AmazonSns, acme_with_sources, proved
from tests.support.cast import ANN
from tests.support.lists import ACME


@pytest.fixture
def settings(settings):
    return settings.model_copy(
        update={
            "mail_event_secrets": Settings(mail_event_secrets=SECRETS).mail_event_secrets,
            "lock_timeout_seconds": 1.0,
        }
    )


@pytest.fixture
def vault(settings):
    return open_vault(settings, make_missing=True)


@pytest.fixture(scope="session")
def amazon():
    return AmazonSns()


@pytest.fixture
def sns(amazon):
    amazon.asked.clear()
    return amazon


@pytest.fixture
async def client(service, sns, aiohttp_client):
    """An HTTP client of an application in which acme has a source of each provider."""
    async with service.database.transaction() as tx:
        await brands.apply(tx, [acme_with_sources()])
    await service.refresh_book()
    application = app.build(service)
    application[SNS] = Sns(fetch=sns.fetch)
    return await aiohttp_client(application)


@pytest.fixture
def post(client, sns):
    """Post as a provider does, proved; or post these bytes and headers."""

    async def posted(provider, document=None, *, body=None, headers=None, source=None, **more):
        if body is None:
            body, headers = proved(provider, document, sns=sns, **more)
        path = f"/hooks/mail/{provider}/{source or f'{provider}-main'}"
        return await client.post(path, data=body, headers=headers)

    return posted


@pytest.fixture
def may_mail(client, keys):
    async def asked(address=ANN, **more):
        reply = await client.post(
            f"{ACME}/check", headers=keys.mailer, json={"addresses": [address], **more}
        )
        assert reply.status == 200, await reply.text()
        return (await reply.json())["results"][0]["may_send"]

    return asked


@pytest.fixture
def recorded(service):
    async def rows():
        return [
            tuple(row)
            for row in await service.database.pool.fetch(
                "select act, scope, topic, reason, source, effect from preference_event"
                " order by recorded_at, scope, topic"
            )
        ]

    return rows
