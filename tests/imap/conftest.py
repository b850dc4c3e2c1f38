"""A real IMAP server, an account there for each test, and acme with a mailbox at it."""

import json

import pytest
from pydantic import SecretStr

from tests.imap.cast import NAME, Box
from tests.support import dovecot
from tests.support.cast import ANN


@pytest.fixture(scope="session")
def server():
    with dovecot.serving() as server:
        yield server


@pytest.fixture
def settings(settings):
    password = SecretStr(f"{NAME}:{dovecot.PASSWORD}")
    return settings.model_copy(
        update={
            "mailbox_passwords": (password,),
            "mailbox_poll_seconds": 3600.0,
            "mailbox_retry_seconds": 0.02,
            # The loops of an application beside the test look into no mailbox then.
            "brands_refresh_seconds": 3600.0,
        }
    )


@pytest.fixture
def box(service, server):
    return Box(service, server, server.new_user())


@pytest.fixture
def short_token(client, keys):
    async def made(**more):
        body = {"channel": "email", "address": ANN, "form": "short", **more}
        reply = await client.post("/v1/brands/acme/links", headers=keys.mailer, json=body)
        return json.loads(await reply.text())["token"]

    return made


@pytest.fixture
def may_mail(client, keys):
    async def asked(address=ANN, **more):
        body = {"addresses": [address], **more}
        reply = await client.post("/v1/brands/acme/check", headers=keys.mailer, json=body)
        return (await reply.json())["results"][0]["may_send"]

    return asked
