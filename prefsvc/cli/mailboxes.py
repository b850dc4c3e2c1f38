"""What `prefsvc doctor` says of the mailboxes that mail is pulled from."""

import asyncio
from typing import Final

from prefsvc.brand import Mailbox
from prefsvc.brands import BrandBook
from prefsvc.outward.imap_faults import How, MailboxError
from prefsvc.outward.imap_line import line_to
from prefsvc.settings import Settings
from prefsvc.vault import Vault

_MENDS: Final[dict[How, str]] = {
    "no_password": "give PREFSVC_MAILBOX_PASSWORDS its password, as {name}:PASSWORD",
    "login_refused": "check user, and its password in PREFSVC_MAILBOX_PASSWORDS",
    "not_connected": "check server and security in the brand's file, and that the way is open",
    "timed_out": "the server says nothing; check server and security in the brand's file",
    "untrusted": "its certificate is not trusted; PREFSVC_MAILBOX_CA_FILE names your own authority",
    "no_folder": "the account has no folder {folder}",
    "unfit": 'the server cannot do it with when_taken = "{when_taken}" (docs/mail.md); try another',
}
_REFUSED: Final = "the server refuses what it is asked for; look at its own log"
_ASIDE: Final = "read them, and take the star off (or move them back) to have them tried again"


async def look_into(settings: Settings, vault: Vault, book: BrandBook) -> list[tuple[str, str]]:
    """Return, of each living brand's mailbox, how it is and, if it is not well, what to do."""
    if not settings.mailboxes_pulled:
        return []
    living = [
        mailbox for _, (brand, mailbox) in sorted(book.by_mailbox.items()) if not brand.retired_at
    ]
    return await asyncio.gather(*(_look(settings, vault, one) for one in living))


async def _look(settings: Settings, vault: Vault, mailbox: Mailbox) -> tuple[str, str]:
    text = f"mail is pulled from the mailbox {mailbox.name}"
    try:
        aside = await _count_aside(settings, vault, mailbox)
    except MailboxError as error:
        mend = _MENDS.get(error.how, _REFUSED)
        return text, mend.format(
            name=mailbox.name, folder=mailbox.folder, when_taken=mailbox.when_taken
        )
    return f"{text}, {aside} mails are set aside", _ASIDE if aside else ""


async def _count_aside(settings: Settings, vault: Vault, mailbox: Mailbox) -> int:
    password = vault.mailbox_password(mailbox.name)
    if password is None:
        raise MailboxError("no_password")
    async with line_to(settings, mailbox, password) as line:
        return await line.call(line.session.count_aside)
