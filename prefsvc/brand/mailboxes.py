"""Which mailboxes of a brand are pulled by IMAP, and what is done with what was taken.

The passwords are not here: a brand's file is no place for them (docs/mail.md).
"""

import re
from dataclasses import dataclass
from datetime import date
from ipaddress import ip_address
from typing import Final, Literal, Self, get_args
from urllib.parse import urlsplit

from prefsvc.brand.kinds import email, slug
from prefsvc.declared import Table, filled
from prefsvc.declared.kinds import one_of, text_of

MailboxSecurity = Literal["tls", "starttls", "none"]
WhenTaken = Literal["flag", "move", "delete"]

_MAILBOXES_MAX: Final = 50
_USER_LENGTH_MAX: Final = 320
_FOLDER_LENGTH_MAX: Final = 200
_SERVER_LENGTH_MAX: Final = 260
_SERVER: Final = re.compile(r"(?:\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::[0-9]{1,5})?")
_PORTS: Final[dict[MailboxSecurity, int]] = {"tls": 993, "starttls": 143, "none": 143}
_ASIDE: Final = "-set-aside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """One folder of one account, which people write to and prefsvc looks into."""

    name: str
    server: str
    """A host, with a port where it is not the usual one."""
    security: MailboxSecurity = "tls"
    user: str
    address: str
    """Whose mail it is, where a message itself does not say."""
    folder: str = "INBOX"
    since: str = ""
    """A day: what arrived before it is passed over; empty where all counts."""
    when_taken: WhenTaken = "flag"
    taken_folder: str = ""

    @property
    def host(self) -> str:
        """Return the server's name or number."""
        return urlsplit(f"//{self.server}").hostname or ""

    @property
    def port(self) -> int:
        """Return the server's port."""
        return urlsplit(f"//{self.server}").port or _PORTS[self.security]

    @property
    def place(self) -> str:
        """Return where it is, in words; whatever it is called, no other is there."""
        return f"{self.folder} of {self.user} at {self.host}:{self.port}"

    @property
    def since_day(self) -> date | None:
        """Return the first day whose mail counts; None where all counts."""
        return date.fromisoformat(self.since) if self.since else None

    @property
    def aside_folder(self) -> str:
        """Return where mail goes that cannot be taken, if what is taken is moved."""
        return f"{self.taken_folder}{_ASIDE}"

    @classmethod
    def read(cls, table: Table) -> Self:
        """Read one of [[mailboxes]]."""
        user = table.required("user", text_of(_USER_LENGTH_MAX), "")
        folder = text_of(_FOLDER_LENGTH_MAX)
        mailbox = cls(
            name=table.required("name", slug, ""),
            server=table.required("server", _server, ""),
            security=table.optional("security", one_of(get_args(MailboxSecurity)), "tls"),
            user=user,
            address=table.optional("address", email, _address_in(user)),
            folder=table.optional("folder", folder, "INBOX"),
            since=table.optional("since", _day, ""),
            when_taken=table.optional("when_taken", one_of(get_args(WhenTaken)), "flag"),
            taken_folder=table.optional("taken_folder", folder, ""),
        )
        table.close()
        _check(mailbox, table)
        return mailbox

    def to_document(self) -> dict[str, object]:
        """Return it as the file would have it."""
        return filled(
            {
                "name": self.name,
                "server": self.server,
                "security": self.security,
                "user": self.user,
                "address": self.address,
                "folder": self.folder,
                "since": self.since,
                "when_taken": self.when_taken,
                "taken_folder": self.taken_folder,
            }
        )


def read_mailboxes(table: Table) -> tuple[Mailbox, ...]:
    """Read every one of [[mailboxes]], each with a name and a place of its own."""
    found: dict[str, Mailbox] = {}
    for one in table.listed_tables("mailboxes", most=_MAILBOXES_MAX):
        mailbox = Mailbox.read(one)
        if mailbox.name and mailbox.name in found:
            one.problem(f'another mailbox has the name "{mailbox.name}"', "name")
        elif mailbox.place in {other.place for other in found.values()}:
            one.problem(f"another mailbox is {mailbox.place}, too")
        found[mailbox.name] = mailbox
    return tuple(found.values())


def _check(mailbox: Mailbox, table: Table) -> None:
    if not mailbox.address and table.is_sound("address") and table.is_sound("user"):
        table.problem("address is missing: user is no address, so say whose mail it is")
    if table.is_sound("when_taken") and (mailbox.when_taken == "move") != bool(
        mailbox.taken_folder
    ):
        table.problem('taken_folder is what when_taken = "move" needs, and what nothing else has')
    if mailbox.taken_folder and mailbox.taken_folder == mailbox.folder:
        table.problem("must be another folder than the one that is looked into", "taken_folder")
    if mailbox.security == "none" and mailbox.server and not _is_this_machine(mailbox.host):
        table.problem('"none" is for a server on this machine; elsewhere it is tls', "security")


def _address_in(user: str) -> str:
    try:
        return email(user)
    except ValueError:
        return ""


def _server(text: str) -> str:
    server = text.lower()
    try:
        parts = urlsplit(f"//{server}")
        is_server = bool(_SERVER.fullmatch(server) and parts.hostname and parts.port != 0)
    except ValueError:  # a port beyond all ports, or brackets around no number
        is_server = False
    if is_server and len(server) <= _SERVER_LENGTH_MAX:
        return server
    raise ValueError(
        f'"{text}" is no server; write it as imap.example.com, or imap.example.com:1993 where the'
        " port is not the usual one"
    )


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f'"{text}" is no day; write it as "2026-01-31"') from None


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
