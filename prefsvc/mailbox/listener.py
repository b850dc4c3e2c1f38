"""The SMTP and LMTP listener: accepts mail for the brands' own addresses, within limits.

250 is said only once what the mail asks for is durable; a fault of ours is a 4xx, so that whoever
hands the mail over keeps it and tries again. aiosmtpd speaks the protocol; here is what it leaves
to its user.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, cast
from urllib.parse import urlsplit

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session, syntax
from typing_extensions import override

from prefsvc import metrics
from prefsvc.db.lanes import lane
from prefsvc.doors import Service
from prefsvc.errors import SecretUnreadable
from prefsvc.mail.mail import Mail
from prefsvc.mailbox.authenticating import Provenance
from prefsvc.mailbox.content import Content
from prefsvc.mailbox.limits import Limits
from prefsvc.mailbox.making import Arrived
from prefsvc.mailbox.ours import is_ours
from prefsvc.mailbox.taking import take
from prefsvc.settings import Settings

log = structlog.get_logger()

TAKEN: Final = "250 2.0.0 Taken"
NOT_OURS: Final = "550 5.1.1 No such mailbox here"
TOO_MANY_RECIPIENTS: Final = "452 4.5.3 Too many recipients; send the rest by themselves"
TOO_LARGE: Final = "552 5.3.4 Too large a mail"
TOO_FAST: Final = "451 4.7.1 Too much mail at once; try again in a minute"
TOO_MANY_CONNECTIONS: Final = b"421 4.3.2 Too many connections; try again shortly\r\n"
STOPPING: Final = b"421 4.3.2 Stopping; try again shortly\r\n"
COMMANDS_MAX: Final = 1000
"""Of one kind in one connection; more is no conversation."""
ALL_THAT_ARRIVED: Final = 1 << 30
"""More than a connection ever holds back, so that nothing is left behind what is read."""
OUR_FAULT: Final = "451 4.3.0 Not taken, by a fault of ours; try again shortly"


@dataclass(slots=True)
class Door:
    """What aiosmtpd asks at each step of a conversation."""

    service: Service
    limits: Limits
    conversations: "set[_Smtp]" = field(default_factory=set)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when somebody has left."""

    async def close(self) -> None:
        """End every conversation: at once, or where a mail is being taken, after its answer."""
        for one in list(self.conversations):
            one.end()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.service.settings.shutdown_grace_seconds):
                while self.conversations:
                    self.left.clear()
                    await self.left.wait()
        for one in list(self.conversations):
            one.hang_up()

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's names
        self, _server: SMTP, session: Session, _: Envelope, name: str, said: list[str]
    ) -> list[str]:
        """Greet, without the AUTH that aiosmtpd offers: nobody logs in here."""
        session.host_name = name
        return [line for line in said if not line.startswith("250-AUTH")]

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's names
        self, server: SMTP, _: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Accept the brands' own addresses alone, so that nothing is relayed."""
        if not is_ours(self.service, address):
            return NOT_OURS
        # LMTP answers for each recipient; one at a time makes that one answer.
        most = 1 if isinstance(server, LMTP) else self.service.settings.mail_recipients_max
        if len(envelope.rcpt_tos) >= most:
            return TOO_MANY_RECIPIENTS
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's names
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take the mail for each of its recipients; all of it is durable when 250 is said."""
        host = session.peer[0] if session.peer else ""
        if not self.limits.may_hand_over(host, asyncio.get_running_loop().time()):
            return TOO_FAST
        raw = envelope.content if isinstance(envelope.content, bytes) else b""
        reverse_path = (envelope.mail_from or "").strip("<>")  # aiosmtpd has "<>" for the null one
        # Who hands over by LMTP is a mail server of your own, whose address proves nothing.
        peers = self.service.settings.mail_peers
        is_stranger = peers == "strangers" and not isinstance(server, LMTP)
        came = Provenance(host if is_stranger else None, session.host_name or "")
        with lane("intake"):
            async with asyncio.timeout(self.service.settings.request_timeout_seconds):
                mail = Mail(raw)
                for recipient in envelope.rcpt_tos:
                    await take(self.service, Arrived(mail, recipient, host, reverse_path, came))
        return TAKEN

    async def handle_exception(self, error: Exception) -> str:
        """Turn a fault into a 4xx; its text may repeat the mail and is not logged."""
        log.warning("mail_not_taken", kind=type(error).__name__)
        metrics.MAILS.labels("fault").inc()
        return OUR_FAULT


class _Smtp(SMTP):
    """What we add to aiosmtpd's conversation: limits of connections and of memory."""

    def __init__(self, door: Door, tls: ssl.SSLContext | None) -> None:
        settings = door.service.settings
        self.door = door
        super().__init__(
            door,
            data_size_limit=settings.mail_bytes_max,
            enable_SMTPUTF8=True,
            hostname=urlsplit(settings.origin).hostname,
            ident="prefsvc",
            tls_context=tls,
            timeout=settings.mail_timeout_seconds,
            command_call_limit=COMMANDS_MAX,
            loop=asyncio.get_running_loop(),
        )
        self.limits = door.limits
        self.host: str | None = None
        """Who is connected and counted in; None before and after."""
        self.line: asyncio.Transport | None = None
        """What carries the conversation, below TLS."""
        self.is_taking = False
        self.is_ending = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.host is None:  # after STARTTLS it is made a second time
            host = str((transport.get_extra_info("peername") or ("",))[0])
            if not self.limits.admit(host):
                cast("asyncio.WriteTransport", transport).write(TOO_MANY_CONNECTIONS)
                transport.close()
                return
            self.host = host
            self.line = cast("asyncio.Transport", transport)
            self.door.conversations.add(self)
        super().connection_made(transport)

    @override
    def data_received(self, data: bytes) -> None:
        if self.host is not None:
            super().data_received(data)

    @override
    def eof_received(self) -> bool | None:
        return super().eof_received() if self.host is not None else None

    @override
    def connection_lost(self, error: Exception | None) -> None:
        if self.host is not None:  # a handshake that fails ends it a second time
            self.limits.leave(self.host)
            self.host = None
            self.door.conversations.discard(self)
            self.door.left.set()
            super().connection_lost(error)

    def end(self) -> None:
        """Say that we stop, once no mail is being taken, and hang up."""
        self.is_ending = True
        if self.is_taking or self.line is None or self.line.is_closing():
            return
        if self.line is self.transport:  # a TLS connection may not take a word any more
            self.line.write(STOPPING)
        self.hang_up()

    def hang_up(self) -> None:
        """Close the connection; whoever was not told that a mail is taken tries again."""
        if self.line is not None:
            self.line.close()

    @syntax("DATA")
    @override
    async def smtp_DATA(self, arg: str) -> None:
        """Read a mail whose lines may be of any length, and answer it once it is durable."""
        envelope, session = self.envelope, self.session
        if envelope is None or session is None or not envelope.rcpt_tos:
            await self.push("503 5.5.1 Say first whom it is for: RCPT")
            return
        if arg:
            await self.push("501 5.5.4 DATA stands alone")
            return
        self.is_taking = True
        try:
            await self.push(await self._taken(session, envelope))
        finally:
            self.is_taking = False
            self.envelope = Envelope()  # after a fault of ours, too, another mail may come
        if self.is_ending:
            self.end()

    async def _taken(self, session: Session, envelope: Envelope) -> str:
        """Read the mail, take it and return what is answered."""
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        content = await self._content()
        if content.is_too_large:
            return TOO_LARGE
        envelope.content = content.octets
        return await self.door.handle_DATA(self, session, envelope)

    async def _content(self) -> Content:
        """Read up to the lone dot; what was sent after it is read next."""
        content = Content(bytes_max=self.door.service.settings.mail_bytes_max)
        reader = self._reader
        rest = None
        while rest is None:
            arrived = await reader.read(ALL_THAT_ARRIVED)
            if not arrived:
                raise ConnectionResetError
            rest = content.feed(arrived)
        reader.feed_data(rest)
        return content


class _Lmtp(_Smtp, LMTP):
    """The same for a mail server that hands over by LMTP."""


@asynccontextmanager
async def conversing(service: Service) -> AsyncIterator[Callable[[], SMTP]]:
    """Yield what converses with whoever connects; in the end, end every conversation."""
    settings = service.settings
    door = Door(service, Limits(settings))
    tls = _tls(settings)
    kind = _Lmtp if settings.mail_listen_protocol == "lmtp" else _Smtp
    try:
        yield lambda: kind(door, tls)
    finally:
        await door.close()


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """Return what STARTTLS is offered with; None where no certificate is set."""
    if settings.mail_tls_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.mail_tls_certificate, settings.mail_tls_key)
    except (OSError, ssl.SSLError) as error:
        raise SecretUnreadable(
            "The certificate for mail cannot be read; PREFSVC_MAIL_TLS_CERTIFICATE and "
            "PREFSVC_MAIL_TLS_KEY name two PEM files."
        ) from error
    return context
