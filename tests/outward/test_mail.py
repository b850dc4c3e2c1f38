"""Mail, to a real SMTP server on this machine."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from uuid import UUID
from warnings import catch_warnings

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from prefsvc.deliveries import Notice
from prefsvc.outward import mail
from prefsvc.settings import Settings

NAME = UUID("3a3b1a52-52a0-4a2b-93a5-16d5a0a2c6d1")
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TEST = Notice("endpoint.test", AT, {})
MAILBOX = "alarms@example.org"


@dataclass
class PostOffice:
    """A mail server: what it answers to a sender, a recipient and a mail, and what it took."""

    port: int = 0
    to_sender: str = "250 ok"
    to_recipient: str = "250 ok"
    to_mail: str = "250 ok"
    taken: list = field(default_factory=list)
    logins: list = field(default_factory=list)

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: ARG002, N802
        envelope.mail_from = address
        return self.to_sender

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: ARG002, N802
        if self.to_recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.to_recipient

    async def handle_DATA(self, server, session, envelope):  # noqa: ARG002, N802
        self.taken.append(envelope)
        return self.to_mail

    def authenticate(self, server, session, envelope, mechanism, data):  # noqa: ARG002
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"right", handled=False)

    def settings(self, **more):
        given = {
            "smtp_host": "127.0.0.1",
            "smtp_port": self.port,
            "smtp_security": "none",
            "mail_from": "prefsvc@example.com",
            "delivery_timeout_seconds": 5,
        }
        return Settings(**(given | more))

    async def send(self, **more):
        settings = self.settings(**more)
        return await mail.send(settings, mail.message(settings, MAILBOX, NAME, TEST))


@asynccontextmanager
async def open_office(**options):
    office = PostOffice()

    def protocol():
        with catch_warnings(action="ignore"):  # it warns of passwords without TLS
            return SMTP(office, authenticator=office.authenticate, **options)

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    async with server:
        office.port = server.sockets[0].getsockname()[1]
        yield office


@pytest.fixture
async def office():
    async with open_office() as office:
        yield office


async def test_a_notice_arrives_as_plain_text_that_nobodys_absence_answers(office):
    answer = await office.send()
    assert answer.outcome == "delivered"
    [envelope] = office.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == ("prefsvc@example.com", [MAILBOX])
    arrived = message_from_bytes(envelope.content, policy=policy.default)
    assert arrived["From"] == "prefsvc@example.com"
    assert arrived["To"] == MAILBOX
    assert arrived["Subject"] == "[prefsvc] This is a test"
    assert arrived["Message-ID"] == f"<{NAME}@example.com>"
    assert arrived["Date"].datetime == AT
    assert arrived["Auto-Submitted"] == "auto-generated"
    assert arrived.get_content_type() == "text/plain"
    assert "reach this mailbox" in arrived.get_content()


@pytest.mark.parametrize(
    ("said", "outcome", "code"),
    [
        ("451 try later", "refused", 451),
        ("452 full", "refused", 452),
        ("550 no such mailbox", "rejected", 550),
    ],
)
async def test_of_a_mailbox_or_a_mail_a_4xx_is_tried_again_and_a_5xx_is_not(
    office, said, outcome, code
):
    office.to_recipient = said
    answer = await office.send()
    assert (answer.outcome, answer.status) == (outcome, code)
    office.to_recipient, office.to_mail = "250 ok", said
    answer = await office.send()
    assert (answer.outcome, answer.status) == (outcome, code)


@pytest.mark.parametrize("said", ["450 not now", "530 log in first", "550 not from you"])
async def test_a_no_to_ourselves_is_tried_again(office, said):
    office.to_sender = said
    answer = await office.send()
    assert (answer.outcome, answer.status) == ("refused", int(said[:3]))


@pytest.mark.parametrize(
    ("lines", "code"),
    [(["554 no service here"], 554), (["220 hello", "502 no EHLO", "504 no HELO"], 504)],
)
async def test_a_server_that_does_not_begin_is_tried_again(office, lines, code):
    async def answer(reader, writer):
        for line in lines:
            writer.write(f"{line}\r\n".encode())
            await reader.readline()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        said = await office.send(smtp_port=server.sockets[0].getsockname()[1])
    assert (said.outcome, said.status) == ("refused", code)


async def test_a_server_that_is_away_is_tried_again(office):
    answer = await office.send(smtp_port=9)
    assert (answer.outcome, answer.status) == ("not_connected", None)


async def test_without_tls_nothing_is_sent_where_tls_is_wanted(office):
    for security in ("starttls", "tls"):
        answer = await office.send(smtp_security=security)
        assert answer.outcome == "not_connected"
    assert office.taken == []


async def test_it_logs_in_where_an_account_is_set():
    async with open_office(auth_require_tls=False, auth_required=True) as office:
        answer = await office.send(smtp_username="us", smtp_password="right")
        assert (answer.outcome, office.logins) == ("delivered", [(b"us", b"right")])


async def test_a_wrong_password_is_mended_by_the_operator_so_it_is_tried_again():
    async with open_office(auth_require_tls=False, auth_required=True) as office:
        answer = await office.send(smtp_username="us", smtp_password="wrong")
        assert (answer.outcome, office.taken) == ("refused", [])


async def test_an_answer_comes_from_nobody_also_at_a_server_without_extensions():
    heard = []
    answers = ["502 no EHLO", "502 no EHLO", "250 hello", "250 ok", "250 ok", "354 go on"]

    async def talk(reader, writer):
        writer.write(b"220 hello\r\n")
        for answer in answers:
            heard.append((await reader.readline()).decode().strip())
            writer.write(f"{answer}\r\n".encode())
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"250 taken\r\n")
        await reader.readline()
        writer.write(b"221 bye\r\n")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        settings = PostOffice(server.sockets[0].getsockname()[1]).settings()
        answer = await mail.answer(settings, mail.message(settings, MAILBOX, NAME, TEST))
    assert answer.outcome == "delivered"
    assert [one.partition(" ")[0] for one in heard[:3]] == ["EHLO", "EHLO", "HELO"]
    assert heard[3:] == ["MAIL FROM:<>", f"RCPT TO:<{MAILBOX}>", "DATA"]
