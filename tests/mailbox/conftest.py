"""A listener in this process, and mail handed over to it as any mail server does."""

import asyncio
import smtplib
from dataclasses import dataclass

import pytest

from tests.support.cast import ANN
from tests.support.taking_mail import listening

NEWS = "news@mail.acme.example.com"


def mail(
    words="Please remove me from your list", *, subject="Re: News", from_=ANN, to=NEWS, **more
):
    """Return a mail as its author's program writes it."""
    fields = {
        "From": f"Ann <{from_}>",
        "To": to,
        "Subject": subject,
        "Date": "Mon, 02 Mar 2026 09:00:00 +0000",
        "Message-ID": "<1@example.org>",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
    } | {name.replace("_", "-"): value for name, value in more.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{head}\r\n{words}\r\n".encode()


@dataclass
class Office:
    """Hands mail over to the service."""

    port: int

    async def sends(self, raw, *, to=NEWS, from_=ANN):
        """Hand a mail over in one conversation; raise what smtplib raises."""
        recipients = [to] if isinstance(to, str) else to

        def talk():
            with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as server:
                return server.sendmail(from_, recipients, raw)

        return await asyncio.to_thread(talk)

    async def sends_by_lmtp(self, raw, *, to=NEWS, from_=ANN):
        """Hand a mail over as a mail server of your own does."""

        def talk():
            with smtplib.LMTP("127.0.0.1", self.port) as server:
                return server.sendmail(from_, [to], raw)

        return await asyncio.to_thread(talk)


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"mail_listen_port": 0})


@pytest.fixture
async def office(service):
    async with listening(service) as port:
        yield Office(port)


@pytest.fixture
def may_mail(client, keys):
    async def asked(address=ANN, **more):
        body = {"addresses": [address], **more}
        reply = await client.post("/v1/brands/acme/check", headers=keys.mailer, json=body)
        return (await reply.json())["results"][0]["may_send"]

    return asked
