"""A mail server on this machine to hand mail to: it answers as a test says, and remembers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

from aiosmtpd.smtp import SMTP

LIMIT_SECONDS = 20


@dataclass(frozen=True)
class Taken:
    """A mail as it was handed over."""

    reverse_path: str
    recipients: list[str]
    options: list[str]
    raw: bytes

    @property
    def mail(self) -> EmailMessage:
        return cast("EmailMessage", message_from_bytes(self.raw, policy=policy.default))

    @property
    def text(self) -> str:
        """What it says, with plain line ends."""
        return self.mail.get_content().replace("\r\n", "\n")


@dataclass
class Relay:
    """Where it listens, what it offers, how it answers next (then always 250), what it took."""

    port: int = 0
    offers: tuple[str, ...] = ("DSN",)
    to_recipient: list[str] = field(default_factory=list)
    to_mail: list[str] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    options: list[str] = field(default_factory=list)

    async def handle_EHLO(self, server, session, envelope, name, said):  # noqa: ARG002, N802
        session.host_name = name
        return [said[0], *(f"250-{one}" for one in self.offers), *said[1:]]

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: ARG002, N802
        answer = self.to_recipient.pop(0) if self.to_recipient else "250 ok"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):  # noqa: ARG002, N802
        answer = self.to_mail.pop(0) if self.to_mail else "250 ok"
        options, self.options = self.options, []
        if answer.startswith("250"):
            sender = envelope.mail_from.strip("<>")
            async with self.changed:
                self.taken.append(Taken(sender, envelope.rcpt_tos, options, envelope.content))
                self.changed.notify_all()
        return answer

    async def wait_for(self, count: int) -> list[Taken]:
        """Wait until so many mails have been taken; return them all."""
        async with asyncio.timeout(LIMIT_SECONDS), self.changed:
            await self.changed.wait_for(lambda: len(self.taken) >= count)
        return self.taken


class Smtp(SMTP):
    """aiosmtpd knows no options of recipients; these are remembered and passed over."""

    def _getparams(self, params):
        asked = [one for one in params if one.startswith("NOTIFY=")]
        self.event_handler.options += asked
        return super()._getparams([one for one in params if one not in asked])


@asynccontextmanager
async def relaying() -> AsyncIterator[Relay]:
    """Listen for the block's length."""
    relay = Relay()
    server = await asyncio.get_running_loop().create_server(
        lambda: Smtp(relay, enable_SMTPUTF8=True), "127.0.0.1", 0
    )
    async with server:
        relay.port = server.sockets[0].getsockname()[1]
        yield relay
