"""A mailing tool that asks prefsvc before every message. One file to copy; needs Python alone.

    export PREFSVC_URL=https://stop.example.com PREFSVC_BRAND=acme PREFSVC_SENDER=mailer
    export PREFSVC_KEY=psk_…       # shown once by: prefsvc senders add acme mailer --channel email
    python sender_client.py sync                 # bring the list here, and say that it is applied
    python sender_client.py sync --follow        # and keep doing so
    python sender_client.py send spring --topic news --message "It is spring." < addresses.txt
    python sender_client.py report               # tell what was sent; exit status 2: a violation

It sends marketing. It fails closed: whatever is unknown, late, cut short or odd raises `DoNotSend`,
and nothing is sent. It may be killed at any point and started again: nothing is acknowledged before
it is applied, no message goes out twice, and each one that may have gone out is reported.

Two locks must both be open for a message. The *list*, kept here and brought up to date before
each batch, knows addresses in their canonical form. The *check*, asked for each batch, knows
every spelling of them. To send for real, give `send` another `deliver` than `print`.
"""

import argparse
import hashlib
import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from itertools import islice
from typing import Any
from urllib.parse import quote, urlsplit

TIMEOUT_SECONDS = 120
WAIT_SECONDS = 30  # how long the feed may take to say that there is nothing new
PAUSE_SECONDS = 30  # after a failure, while following
BATCH = 500  # messages between two looks at the feed; a check takes up to 10,000 addresses
REPORT_LINES_MAX = 10_000
CLOCKS_APART_MAX = timedelta(minutes=1)  # a lease is worth nothing if the clocks disagree

Clock = Callable[[], datetime]


class DoNotSend(Exception):  # noqa: N818 - said to whoever wants to send
    """Something is not known or not in order; the message says what to do."""


class Refused(DoNotSend):
    """prefsvc understood and said no; `code` is for programs."""

    def __init__(self, code: str, detail: str) -> None:
        """Take both from the answer."""
        self.code = code
        super().__init__(f"{detail} ({code})")


class ListLost(DoNotSend):
    """The list at hand does not go with the feed any more: it must be pulled anew."""


LIST_LOST = {
    "cursor_from_another_history", "cursor_beyond_head", "cursor_of_another_brand",
    "invalid_cursor",
}  # fmt: skip


class Answer(dict[str, Any]):
    """A JSON object; what is missing in it is a reason not to send."""

    def __missing__(self, name: str) -> Any:
        """Refuse to go on without it."""
        raise DoNotSend(f"prefsvc's answer has no {name!r}: is this the right version?")


def read(text: bytes) -> Answer:
    """Read a JSON object."""
    try:
        document = json.loads(text, object_hook=Answer)
    except ValueError:
        document = None
    if not isinstance(document, Answer):
        raise DoNotSend("This is no answer of prefsvc's, or only half of one.")
    return document


def moment(text: Any) -> datetime:
    """Read a moment; one without an offset is none."""
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        at = datetime.min  # noqa: DTZ901 - has no offset
    if at.tzinfo is None:
        raise DoNotSend("prefsvc's answer has a moment that is none.")
    return at


@dataclass(frozen=True)
class Mailing:
    """A mailing: its name, by which it is known here and there, and the topic that it is about.

    Whom the mailings named in `earlier` reached, this one leaves out.
    """

    name: str
    topic: str
    earlier: tuple[str, ...] = ()


Deliver = Callable[[str, Mailing], None]


@dataclass(frozen=True)
class Lease:
    """When a list was complete, and until when it may be used; None: it may not."""

    as_of: datetime
    valid_until: datetime | None

    @classmethod
    def of(cls, document: Answer) -> "Lease":
        """Read it from an answer."""
        until = document["valid_until"]
        return cls(moment(document["as_of"]), moment(until) if until else None)

    def require(self, now: datetime) -> None:
        """Raise unless it holds: with a margin, and not after our clock was put back."""
        if self.valid_until is None or now + CLOCKS_APART_MAX >= self.valid_until:
            raise DoNotSend("The lease is over: run it again.")
        if now < self.as_of - CLOCKS_APART_MAX:
            raise DoNotSend("This machine's clock was put back: set it, then run it again.")


# --- What is asked of prefsvc ------------------------------------------------------------------


@dataclass(frozen=True)
class Register:
    """prefsvc, as one sender sees it."""

    url: str
    brand: str
    sender: str
    key: str
    now: Clock = lambda: datetime.now(UTC)

    @contextmanager
    def snapshot(self) -> Iterator[tuple[Iterable[bytes], Lease]]:
        """Open the whole list: its lines, the last of which proves that it is whole."""
        with self._asking("GET", "suppressions") as answer:
            names = {"as_of": "Prefsvc-As-Of", "valid_until": "Prefsvc-Valid-Until"}
            headers = Answer({name: answer.headers[header] for name, header in names.items()})
            yield answer, self._in_time(headers)

    def feed(self, after: str, wait_seconds: int) -> tuple[Answer, Lease]:
        """Read the changes after a cursor."""
        page = self._ask("GET", f"feed?after={quote(after)}&wait={wait_seconds}")
        return page, self._in_time(page)

    def acknowledge(self, cursor: str) -> None:
        """Say that all up to the cursor is applied."""
        if self._ask("POST", "feed/acknowledgements", {"cursor": cursor})["cursor"] != cursor:
            raise DoNotSend("Another cursor was acknowledged than the one that was meant.")

    def clearance(self) -> Lease:
        """Return until when mailings may go on, or raise. Only `true` is a yes."""
        return self._cleared(self._ask("GET", f"senders/{quote(self.sender)}/clearance"))

    def register_mailing(self, mailing: Mailing, cursor: str) -> Lease:
        """Put down which list a mailing knows; return until when it may go on, or raise."""
        document = {"mailing": mailing.name, "cursor": cursor, "topic": mailing.topic}
        return self._cleared(self._ask("POST", "mailings", document))

    def allowed(self, addresses: list[str], topic: str) -> tuple[set[str], Lease]:
        """Ask which of these may be written to now."""
        document = {"addresses": addresses, "topic": topic, "message_class": "marketing"}
        answer = self._ask("POST", "check", document)
        if len(answer["results"]) != len(addresses):
            raise DoNotSend("The check did not answer for each address.")
        results = zip(addresses, answer["results"], strict=True)
        allowed = {address for address, result in results if result["may_send"] is True}
        return allowed, self._in_time(answer)

    @contextmanager
    def report(self, lines: Iterable[bytes]) -> Iterator[Iterable[bytes]]:
        """Tell what was sent; hand out a line for each line, and a last one."""
        body = b"".join(lines)
        with self._asking("POST", "sends", body, "application/x-ndjson") as answer:
            yield answer

    def _cleared(self, answer: Answer) -> Lease:
        if answer["clearance"] is not True:
            raise DoNotSend(f"No clearance: {answer['missing']}")
        return self._in_time(answer)

    def _in_time(self, document: Answer) -> Lease:
        lease = Lease.of(document)
        if not -CLOCKS_APART_MAX <= self.now() - lease.as_of <= timedelta(seconds=TIMEOUT_SECONDS):
            raise DoNotSend("This machine's clock and prefsvc's disagree: set them.")
        return lease

    def _ask(self, method: str, path: str, document: Any = None) -> Answer:
        body = json.dumps(document).encode() if document is not None else None
        with self._asking(method, path, body) as answer:
            return read(answer.read())

    @contextmanager
    def _asking(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> Iterator[HTTPResponse]:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": content_type}
        connection = self._connection()
        try:
            path = f"{urlsplit(self.url).path.rstrip('/')}/v1/brands/{quote(self.brand)}/{path}"
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            if answer.status not in {200, 201}:  # a redirect is no answer either
                raise _refusal(answer)
            yield answer
        except (OSError, HTTPException) as error:
            raise DoNotSend(f"prefsvc did not answer: {type(error).__name__}.") from error
        finally:
            connection.close()

    def _connection(self) -> HTTPConnection:
        at = urlsplit(self.url)
        if at.scheme == "https":
            return HTTPSConnection(at.netloc, timeout=TIMEOUT_SECONDS)
        if at.hostname in {"127.0.0.1", "::1", "localhost"}:
            return HTTPConnection(at.netloc, timeout=TIMEOUT_SECONDS)
        raise DoNotSend("PREFSVC_URL must begin with https: the key would be readable.")


def _refusal(answer: HTTPResponse) -> DoNotSend:
    try:
        problem = read(answer.read())
        code, detail = problem["code"], problem["detail"]
    except DoNotSend:
        return DoNotSend(f"Something between here and prefsvc said {answer.status}.")
    return ListLost(detail) if code in LIST_LOST else Refused(code, detail)


def whole(lines: Iterable[bytes]) -> Iterator[Answer]:
    """Pass on a list's lines; raise, after all of them, unless the last one fits the others."""
    digest = hashlib.sha256()
    for count, line in enumerate(lines):
        row = read(line)
        if row.get("end") is True:
            if (row["count"], row["lines_sha256"]) == (count, digest.hexdigest()):
                yield row
                return
            break
        digest.update(line)
        yield row
    raise DoNotSend("The list is not whole, so none of it counts: run sync again.")


# --- What is kept here -------------------------------------------------------------------------


class Store:
    """The list, how far it goes and until when it is good, and what was sent; in one file."""

    TABLES = """
        create table if not exists list (
            one integer primary key check (one = 1), cursor text, as_of text, valid_until text);
        insert or ignore into list (one) values (1);
        create table if not exists covered (bucket integer primary key, position integer not null);
        create table if not exists suppression (
            sha256 text, scope text, topic text, reason text,
            primary key (sha256, scope, topic, reason)) without rowid;
        create table if not exists mailing (name text primary key, cursor text not null);
        create table if not exists earlier (
            mailing text, earlier text, primary key (mailing, earlier)) without rowid;
        create table if not exists message (
            number integer primary key, mailing text not null, address text not null,
            topic text not null, sent_at text not null, verdict text, unique (mailing, address));
    """

    def __init__(self, path: str) -> None:
        """Open the file, or make it."""
        self.db = sqlite3.connect(path, timeout=TIMEOUT_SECONDS, isolation_level=None)
        self.db.execute("pragma synchronous = full")  # what is acknowledged outlives a power cut
        self.db.executescript(self.TABLES)

    def cursor(self) -> str | None:
        """Return how far the list goes; None if there is none that counts."""
        cursor: str | None = self._value("select cursor from list")
        return cursor

    def lease(self) -> Lease:
        """Return until when the list may be used."""
        as_of, until = self.db.execute("select as_of, valid_until from list").fetchone()
        if not until:
            raise DoNotSend("There is no list that is whole and up to date: run sync.")
        return Lease(moment(as_of), moment(until))

    def forget(self) -> None:
        """Give up the list: nothing is sent until another one is here."""
        self.db.execute("update list set cursor = null, valid_until = null")

    def replace(self, rows: Iterable[Answer], lease: Lease, *, after: str | None) -> None:
        """Put a whole list in place of the one at hand, or leave that as it is."""
        with self._writing():
            if self.cursor() != after:
                return  # another process of ours was quicker
            self.db.execute("delete from suppression")
            self.db.execute("delete from covered")
            for row in rows:
                if row.get("end") is True:
                    self.db.executemany("insert into covered values (?, ?)", row["positions"])
                    self._reached(row["cursor"], lease)
                else:
                    self._add(row)

    def apply(self, page: Answer, lease: Lease, *, after: str) -> None:
        """Apply a page of the feed, or nothing of it."""
        with self._writing():
            if self.cursor() != after:
                return  # another process of ours was quicker
            for span in page["covers"]:
                self._cover(span["bucket"], span["first"], span["last"])
            for change in page["changes"]:
                self._change(change)
            self._reached(page["cursor"], lease)

    def suppresses(self, address: str, topic: str) -> bool:
        """Say whether the list forbids a marketing message; a scope it does not know does."""
        rows = self.db.execute(
            "select 1 from suppression where sha256 = ? and scope <> 'third_party_sharing'"
            " and (scope <> 'topic' or topic = ?)",
            (sha256_of(address), topic),
        )
        return rows.fetchone() is not None

    def cut(self, mailing: Mailing) -> str:
        """Return the cursor that a mailing's list was cut at: that of its first beginning."""
        cursor = self.cursor()
        if cursor is None:
            raise DoNotSend("There is no list to cut a mailing from: run sync.")
        with self._writing():
            for earlier in mailing.earlier:
                self._leave_out(mailing.name, earlier)
            self.db.execute("insert or ignore into mailing values (?, ?)", (mailing.name, cursor))
        return str(self._value("select cursor from mailing where name = ?", mailing.name))

    def _leave_out(self, name: str, earlier: str) -> None:
        if self._value("select 1 from mailing where name = ?", earlier) is None:
            raise DoNotSend(f"No mailing {earlier!r} was begun here: look at its name.")
        self.db.execute(
            "insert or ignore into earlier select ?, ? union select ?, earlier from earlier"
            " where mailing = ?",  # and whom that one left out itself
            (name, earlier, name, earlier),
        )

    def note(self, mailing: Mailing, address: str, now: datetime) -> bool:
        """Put down that a message is sent, before it is; false if it was put down already.

        What was put down for an earlier mailing counts as well.
        """
        noted = self.db.execute(
            "insert or ignore into message (mailing, address, topic, sent_at)"
            " select ?1, ?2, ?3, ?4 where not exists (select 1 from message where address = ?2"
            " and mailing in (select earlier from earlier where mailing = ?1))",
            (mailing.name, address, mailing.topic, now.isoformat()),
        )
        return noted.rowcount == 1

    def unreported(self, after: int) -> list[tuple[int, bytes]]:
        """Return the next messages without a verdict: their numbers, and lines to report."""
        rows = self.db.execute(
            "select number, mailing, address, topic, sent_at from message"
            " where number > ? and (verdict is null or verdict = 'refused')"
            " order by number limit ?",
            (after, REPORT_LINES_MAX),
        )
        names = ("mailing", "address", "topic", "sent_at")
        return [(row[0], _line(dict(zip(names, row[1:], strict=True)))) for row in rows]

    def judge(self, verdicts: Iterable[tuple[str, int]]) -> None:
        """Keep the verdicts of a report, all at once."""
        with self._writing():
            self.db.executemany("update message set verdict = ? where number = ?", verdicts)

    def _reached(self, cursor: str, lease: Lease) -> None:
        until = lease.valid_until.isoformat() if lease.valid_until else None
        self.db.execute(
            "update list set cursor = ?, as_of = ?, valid_until = ?",
            (cursor, lease.as_of.isoformat(), until),
        )

    def _cover(self, bucket: int, first: int, last: int) -> None:
        known = self._value("select position from covered where bucket = ?", bucket) or 0
        if first != known + 1:
            raise ListLost("Positions are missing in the feed.")
        self.db.execute("insert or replace into covered values (?, ?)", (bucket, last))

    def _change(self, change: Answer) -> None:
        if change["change"] == "lifted":
            self._lift(change)
        else:  # what this program does not know, it takes for a stop
            self._add(change)

    def _add(self, row: Answer) -> None:
        self.db.execute("insert or replace into suppression values (?, ?, ?, ?)", _slot(row))

    def _lift(self, row: Answer) -> None:
        self.db.execute(
            "delete from suppression where (sha256, scope, topic, reason) = (?, ?, ?, ?)",
            _slot(row),
        )

    def _value(self, query: str, *values: Any) -> Any:
        row = self.db.execute(query, values).fetchone()
        return row[0] if row else None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self.db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self.db.execute("rollback")
            raise
        self.db.execute("commit")


def _slot(row: Answer) -> tuple[str, str, str, str]:
    return row["sha256"], row["scope"], row["topic"] or "", row["reason"]


def _line(document: dict[str, str]) -> bytes:
    return json.dumps(document).encode() + b"\n"


def sha256_of(address: str) -> str:
    """Hash an address as most are written; the check knows the spellings that this does not."""
    return hashlib.sha256(address.strip().lower().encode()).hexdigest()


# --- What it does ------------------------------------------------------------------------------


def sync(register: Register, store: Store, wait_seconds: int = 0) -> None:
    """Bring the list up to date, then acknowledge it."""
    try:
        if store.cursor() is None:
            _pull(register, store)
        _follow(register, store, wait_seconds)
        _acknowledge(register, store)
    except ListLost:
        store.forget()
        _pull(register, store)
        _acknowledge(register, store)


def _pull(register: Register, store: Store) -> None:
    after = store.cursor()
    with register.snapshot() as (lines, lease):
        store.replace(whole(lines), lease, after=after)


def _follow(register: Register, store: Store, wait_seconds: int) -> None:
    has_more = True
    while has_more:
        after = store.cursor() or ""
        page, lease = register.feed(after, wait_seconds)
        store.apply(page, lease, after=after)
        has_more = page["has_more"]


def _acknowledge(register: Register, store: Store) -> None:
    cursor = store.cursor() or ""
    try:
        register.acknowledge(cursor)
    except Refused as refusal:
        if refusal.code == "acknowledgement_backwards" and store.cursor() != cursor:
            return  # another process of ours was quicker, with this very store
        raise


def _register(register: Register, store: Store, mailing: Mailing) -> Lease:
    try:
        return register.register_mailing(mailing, store.cut(mailing))
    except ListLost as lost:  # another list does not help: it stands for the one it was cut from
        raise DoNotSend(
            f"The register was restored since {mailing.name!r} was cut. Send the rest under another"
            f" name, with --except {mailing.name}: that leaves out whom it has reached."
        ) from lost


def send(
    register: Register, store: Store, mailing: Mailing, addresses: Iterable[str], deliver: Deliver
) -> int:
    """Send a mailing to all who may have it and have not; return how many that were now."""
    rest, sent = iter(addresses), 0
    while batch := list(islice(rest, BATCH)):
        sync(register, store)
        leases = [register.clearance(), _register(register, store, mailing)]
        allowed, checked = register.allowed(batch, mailing.topic)
        for address in batch:
            now = register.now()
            for lease in (*leases, checked, store.lease()):
                lease.require(now)
            if address not in allowed or store.suppresses(address, mailing.topic):
                continue
            if store.note(mailing, address, now):
                deliver(address, mailing)
                sent += 1
    return sent


def report(register: Register, store: Store) -> list[Answer]:
    """Report all that was sent; return the answers about what was a violation or was refused."""
    troubles: list[Answer] = []
    last = 0
    while messages := store.unreported(last):
        last = messages[-1][0]
        with register.report(line for _, line in messages) as answers:
            verdicts = list(_verdicts(answers, len(messages)))
        store.judge(
            (one["verdict"], number) for one, (number, _) in zip(verdicts, messages, strict=True)
        )
        troubles += [one for one in verdicts if one["verdict"] in {"violation", "refused"}]
    return troubles


def _verdicts(lines: Iterable[bytes], count: int) -> Iterator[Answer]:
    for expected, line in enumerate(lines, start=1):
        answer = read(line)
        if answer.get("end") is True:
            if expected != count + 1:
                break
            return
        if answer["line"] != expected:
            break
        yield answer
    raise DoNotSend("The report was not answered to the end: run report again.")


# --- The commands ------------------------------------------------------------------------------


def main(words: list[str] | None = None) -> int:
    """Run a command; return 0 if all is well, 1 if not, 2 if there is a violation."""
    given = _parser().parse_args(words)
    try:
        status: int = given.command(given, _configured(), Store(given.store))
    except DoNotSend as reason:
        print(f"Nothing more is sent. {reason}", file=sys.stderr)
        return 1
    return status


def _configured() -> Register:
    names = {name: f"PREFSVC_{name.upper()}" for name in ("url", "brand", "sender", "key")}
    missing = [name for name in names.values() if not os.environ.get(name)]
    if missing:
        raise DoNotSend(f"Set {', '.join(missing)}.")
    at = {name: os.environ[variable] for name, variable in names.items()}
    return Register(at["url"], at["brand"], at["sender"], at["key"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Send what may be sent, and nothing else.")
    parser.add_argument("--store", default="sender.sqlite3", help="the file that all is kept in")
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("sync", help="bring the list up to date and acknowledge it")
    one.add_argument("--follow", action="store_true", help="keep doing so")
    one.set_defaults(command=_run_sync)
    one = commands.add_parser("send", help="send a mailing to the addresses on standard input")
    one.add_argument("mailing", help="its name; the same name goes on where it stopped")
    one.add_argument("--topic", required=True, help="one of the brand's topics")
    one.add_argument("--message", required=True, help="what to say")
    one.add_argument(
        "--except", dest="earlier", metavar="MAILING", action="append", default=[],
        help="leave out whom this earlier mailing reached; may be given again",
    )  # fmt: skip
    one.set_defaults(command=_run_send)
    one = commands.add_parser("report", help="tell prefsvc what was sent")
    one.set_defaults(command=_run_report)
    return parser


def _run_sync(given: argparse.Namespace, register: Register, store: Store) -> int:
    sync(register, store)
    while given.follow:
        try:
            sync(register, store, WAIT_SECONDS)
        except DoNotSend as reason:  # the lease runs on, and runs out
            print(reason, file=sys.stderr)
            time.sleep(PAUSE_SECONDS)
    return 0


def _run_send(given: argparse.Namespace, register: Register, store: Store) -> int:
    def deliver(address: str, _mailing: Mailing) -> None:
        print(f"To: {address}\n{given.message}\n", flush=True)

    addresses = filter(None, (line.strip() for line in sys.stdin))
    mailing = Mailing(given.mailing, given.topic, tuple(given.earlier))
    sent = send(register, store, mailing, addresses, deliver)
    print(f"{sent} sent.", file=sys.stderr)
    return 0


def _run_report(_given: argparse.Namespace, register: Register, store: Store) -> int:
    troubles = report(register, store)
    for one in troubles:
        told = {name: value for name, value in one.items() if value is not None}
        print(json.dumps(told), file=sys.stderr)
    if any(one["verdict"] == "violation" for one in troubles):
        return 2
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
