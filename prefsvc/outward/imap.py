"""One mailbox over IMAP: what lies in it that was not taken, and the marks on what was.

What was taken is known by its mark in the mailbox itself (a keyword, or the folder it lies in), so
nothing need be remembered here: a process that was killed, or another one, sees the same, and a
mailbox that was built anew (UIDVALIDITY) is one in which nothing was taken yet.

All of it blocks: it is called in a thread (prefsvc/outward/imap_line.py). Nothing that a server
says is repeated in an error.
"""

import socket
import ssl
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import (
    CapabilityError,
    IMAPClientAbortError,
    IMAPClientError,
    LoginError,
)

from prefsvc.brand import Mailbox
from prefsvc.outward.imap_faults import MailboxError, told
from prefsvc.settings import Settings

TAKEN: Final = "PrefsvcTaken"
ASIDE: Final = "PrefsvcSetAside"
_SEEN, _FLAGGED, _DELETED = "\\Seen", "\\Flagged", "\\Deleted"
_ANY_KEYWORD: Final = b"\\*"

_SEARCHED_AT_ONCE: Final = 10_000
"""Messages; imaplib reads no line of more than a million octets, and each has an id of up to 11."""

# RFC 5530: the login is not what is wrong.
_PASSING: Final = ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[CONTACTADMIN]")


@dataclass(frozen=True, slots=True)
class Pulled:
    """A mail as it lies in a mailbox; of one that is too large, the beginning."""

    uid: int
    raw: bytes = field(repr=False)
    received_at: datetime | None
    """When it reached the mailbox."""
    is_cut: bool


@dataclass(slots=True)
class Session:
    """A login at a mailbox's server."""

    client: IMAPClient
    mailbox: Mailbox
    bytes_max: int
    announces: bool = False
    """Whether the server tells of new mail by itself (RFC 2177)."""

    def waiting(self, *, most: int, without: Collection[int] = ()) -> tuple[int, list[int]]:
        """Return the mailbox's UIDVALIDITY, and the ids of what was not taken, the newest first.

        What somebody wrote a moment ago need not wait for the thousands that a mailbox may begin
        with. The folder is selected anew: it may have been made anew.
        """
        with told():
            there = self._select()
            found: list[int] = []
            for last in range(there[b"EXISTS"], 0, -_SEARCHED_AT_ONCE):
                first = max(1, last - _SEARCHED_AT_ONCE + 1)
                uids = self.client.search([f"{first}:{last}", *self._untaken()])
                found += sorted(set(uids) - set(without), reverse=True)
                if len(found) >= most:
                    break
            return there.get(b"UIDVALIDITY", 0), found[:most]

    def groups(self, uids: Sequence[int]) -> list[list[int]]:
        """Part mails so that each part may be fetched at once, in about the memory of one."""
        with told():
            sizes = self.client.fetch(uids, ["RFC822.SIZE"])
        groups: list[list[int]] = []
        room = 0
        for uid in uids:
            size = min(sizes.get(uid, {}).get(b"RFC822.SIZE", 0), self.bytes_max)
            if not groups or size > room:
                groups.append([])
                room = self.bytes_max
            groups[-1].append(uid)
            room -= size
        return groups

    def fetch(self, uids: Sequence[int]) -> list[Pulled]:
        """Fetch these mails, as far as they are still there; it does not mark them as read."""
        wanted = ["RFC822.SIZE", "INTERNALDATE", f"BODY.PEEK[]<0.{self.bytes_max}>"]
        with told():
            found = self.client.fetch(uids, wanted)
        pulled = (_pulled(uid, found.get(uid, {}), self.bytes_max) for uid in uids)
        return [one for one in pulled if one]

    def mark(self, acted_on: Sequence[int], others: Sequence[int]) -> None:
        """Mark mails as taken: those that something followed from, and those that asked nothing.

        The second are for whoever else reads the mailbox, and stay unread, and are never deleted.
        """
        with told():
            match self.mailbox.when_taken:
                case "move":
                    self._move([*acted_on, *others], self.mailbox.taken_folder)
                    return
                case "flag":
                    self._flag(acted_on, TAKEN, _SEEN)
                case "delete":
                    self._flag(acted_on, TAKEN, _DELETED)
                    self._expunge(acted_on)
            self._flag(others, TAKEN)

    def set_aside(self, uids: Sequence[int]) -> None:
        """Put mails that cannot be taken where people see them; without the star they are tried."""
        with told():
            if self.mailbox.when_taken == "move":
                self._move(uids, self.mailbox.aside_folder)
            else:
                self._flag(uids, ASIDE, _FLAGGED)

    def count_aside(self) -> int:
        """Return how many mails lie aside."""
        with told():
            if self.mailbox.when_taken == "move":
                status = self.client.folder_status(self.mailbox.aside_folder, ["MESSAGES"])
                return int(status[b"MESSAGES"])
            return len(self.client.search(["KEYWORD", ASIDE, "FLAGGED"]))

    def listen(self) -> int:
        """Have the server announce new mail; return the descriptor on which it does."""
        with told():
            self.client.idle()
            descriptor: int = self.client.socket().fileno()
            return descriptor

    def listen_no_more(self) -> None:
        """End what `listen` began; whatever was announced, the mailbox is looked into next."""
        with told():
            self.client.idle_done()

    def log_out(self) -> None:
        """Take leave of the server, if it is still there."""
        with suppress(Exception):
            self.client.logout()
        with suppress(Exception):
            self.client.shutdown()

    def break_off(self) -> None:
        """End the connection, whatever another thread does with it."""
        with suppress(OSError):
            self.client.socket().shutdown(socket.SHUT_RDWR)

    def prepare(self) -> None:
        """Refuse a server that cannot do what the brand's file asks for; make folders it names."""
        with told():
            if self.mailbox.when_taken == "move":
                if not (
                    self.client.has_capability("MOVE") or self.client.has_capability("UIDPLUS")
                ):
                    raise MailboxError("unfit")
                for folder in (self.mailbox.taken_folder, self.mailbox.aside_folder):
                    if not self.client.folder_exists(folder):
                        self.client.create_folder(folder)
            self._select()
            self.announces = self.client.has_capability("IDLE")

    def _select(self) -> dict[bytes, Any]:
        try:
            there = self.client.select_folder(self.mailbox.folder)
        except (IMAPClientAbortError, CapabilityError):
            raise
        except IMAPClientError:
            raise MailboxError("no_folder") from None
        kept = {one.lower() for one in there.get(b"PERMANENTFLAGS", ())}
        keeps_keywords = (
            _ANY_KEYWORD in kept or {TAKEN.lower().encode(), ASIDE.lower().encode()} <= kept
        )
        if self.mailbox.when_taken != "move" and not keeps_keywords:
            raise MailboxError("unfit")
        return dict(there)

    def _untaken(self) -> list[str | date]:
        since = self.mailbox.since_day
        arrived: list[str | date] = ["SINCE", since] if since else ["ALL"]
        if self.mailbox.when_taken == "move":
            return arrived
        return [*arrived, "UNKEYWORD", TAKEN, "OR", "UNKEYWORD", ASIDE, "UNFLAGGED"]

    def _flag(self, uids: Sequence[int], *flags: str) -> None:
        if uids:
            self.client.add_flags(uids, flags, silent=True)

    def _move(self, uids: Sequence[int], folder: str) -> None:
        if not uids:
            return
        if self.client.has_capability("MOVE"):
            self.client.move(uids, folder)
            return
        # Killed in between, there are two: it lies in the folder and is taken again.
        self.client.copy(uids, folder)
        self._flag(uids, _DELETED)
        self._expunge(uids)

    def _expunge(self, uids: Sequence[int]) -> None:
        # By id alone: what people have marked as deleted themselves is theirs to expunge.
        if uids and self.client.has_capability("UIDPLUS"):
            self.client.uid_expunge(uids)


def log_in(settings: Settings, mailbox: Mailbox, password: str) -> Session:
    """Connect, log in and see that the mailbox is as the brand's file says."""
    seconds = settings.mailbox_timeout_seconds
    with told():
        tls = ssl.create_default_context()
        if settings.mailbox_ca_file:
            tls.load_verify_locations(settings.mailbox_ca_file)
        client = IMAPClient(
            mailbox.host,
            mailbox.port,
            ssl=mailbox.security == "tls",
            ssl_context=tls,
            timeout=SocketTimeout(seconds, seconds),
        )
    client.normalise_times = False  # else moments lose their zones
    session = Session(client, mailbox, settings.mail_bytes_max)
    try:
        with told():
            if mailbox.security == "starttls":
                client.starttls(tls)
            _authenticate(client, mailbox.user, password)
        session.prepare()
    except BaseException:
        session.log_out()
        raise
    return session


def _authenticate(client: IMAPClient, user: str, password: str) -> None:
    try:
        # PLAIN takes what people choose as passwords; LOGIN takes ASCII.
        if client.has_capability("AUTH=PLAIN"):
            client.plain_login(user, password)
        else:
            client.login(user, password)
    except LoginError as error:
        if isinstance(error.__context__, IMAPClientAbortError):  # it hung up
            raise MailboxError("not_connected") from None
        is_passing = any(code in str(error) for code in _PASSING)
        raise MailboxError("refused" if is_passing else "login_refused") from None
    except UnicodeEncodeError:
        raise MailboxError("login_refused") from None


def _pulled(uid: int, said: dict[bytes, Any], bytes_max: int) -> Pulled | None:
    raw = next((value for key, value in said.items() if key.startswith(b"BODY[]")), None)
    if raw is None:
        return None  # it is gone
    size = said.get(b"RFC822.SIZE", 0)
    return Pulled(uid, raw[:bytes_max], said.get(b"INTERNALDATE"), is_cut=size > bytes_max)
