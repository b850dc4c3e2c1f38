"""Send notices and receipts by mail, through the operator's own mail server."""

from collections.abc import Awaitable
from contextlib import suppress
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final
from uuid import UUID

import aiosmtplib

from prefsvc import alarm_words
from prefsvc.address import Address
from prefsvc.deliveries import Answer, Notice
from prefsvc.errors import InvalidAddress, InvalidTarget, MailNotSet
from prefsvc.settings import Settings

_PERMANENT: Final = 500


def checked_mailbox(settings: Settings, text: str) -> str:
    """Return the mailbox in its normal spelling; refuse it where no mail can be sent to it."""
    if not settings.sends_mail:
        raise MailNotSet
    try:
        mailbox = Address.for_opt_in("email", text).canonical
    except InvalidAddress:
        raise InvalidTarget("This is not a mail address at which anybody is reached.") from None
    if not mailbox.isascii():
        raise InvalidTarget("Give a mail address in ASCII; not every mail server takes others.")
    return mailbox


def message(settings: Settings, target: str, delivery_id: UUID, notice: Notice) -> EmailMessage:
    """Write the mail (RFC 5322); its Message-ID is the same in every attempt."""
    subject, text = alarm_words.mail_of(notice.type, notice.data)
    mail = EmailMessage()
    mail["From"] = settings.mail_from
    mail["To"] = target
    mail["Subject"] = subject
    mail["Date"] = format_datetime(notice.occurred_at)
    mail["Message-ID"] = f"<{delivery_id}@{settings.mail_from.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence need be told to us
    mail.set_content(text)
    return mail


async def send(settings: Settings, mail: EmailMessage) -> Answer:
    """Send a mail once; never raise for what the server or the network does."""
    return await _answer_to(_hand_over(settings, mail))


async def answer(settings: Settings, mail: EmailMessage) -> Answer:
    """Send an automatic answer once, so that nothing comes back of it.

    Its reverse path is null (E-33), so that no program answers it and no bounce does (E-51); where
    the server takes DSN options, not even a report is asked for.
    """
    return await _answer_to(_hand_over(settings, mail, is_answer=True))


async def _answer_to(handing_over: Awaitable[None]) -> Answer:
    """Tell what came of handing a mail over."""
    try:
        await handing_over
    except aiosmtplib.SMTPRecipientsRefused as refusal:
        return _refused(refusal.recipients[0].code)
    except aiosmtplib.SMTPDataError as error:
        return _refused(error.code)
    except aiosmtplib.SMTPResponseException as error:
        # Whatever else is refused is ours (greeting, login, sender) and not the mailbox's: the
        # operator mends it, and the mail can still go out then.
        return Answer("refused", error.code)
    except (aiosmtplib.SMTPTimeoutError, TimeoutError):
        return Answer("timed_out")
    except (aiosmtplib.SMTPException, OSError):
        return Answer("not_connected")
    return Answer("delivered")


async def _hand_over(settings: Settings, mail: EmailMessage, *, is_answer: bool = False) -> None:
    async with _client(settings) as client:
        if is_answer:
            options = ["NOTIFY=NEVER"] if await _takes_dsn_options(client) else []
            await client.send_message(mail, sender="", rcpt_options=options)
        else:
            await client.send_message(mail)


async def _takes_dsn_options(client: aiosmtplib.SMTP) -> bool:
    if client.is_ehlo_or_helo_needed:  # neither TLS nor a login made it greet
        with suppress(aiosmtplib.SMTPHeloError):  # it knows no extensions, and is greeted again
            await client.ehlo()
    return client.supports_extension("dsn")


def _client(settings: Settings) -> aiosmtplib.SMTP:
    password = settings.smtp_password
    return aiosmtplib.SMTP(
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        username=settings.smtp_username or None,
        password=password.get_secret_value() if password else None,
        use_tls=settings.smtp_security == "tls",
        start_tls=settings.smtp_security == "starttls",
        timeout=settings.delivery_timeout_seconds,
    )


def _refused(code: int) -> Answer:
    # A 4xx asks to try again later; a 5xx says never (RFC 5321 4.2.1).
    return Answer("rejected" if code >= _PERMANENT else "refused", code)
