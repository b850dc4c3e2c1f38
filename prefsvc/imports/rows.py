"""One row of a list: whom it is about, what it says, when and why; or why it is refused. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from prefsvc.address import Address, Channel, bucket_of
from prefsvc.errors import InvalidAddress, UnreadableImport
from prefsvc.imports.columns import Column, Columns
from prefsvc.imports.moments import DayOrder, read_moment
from prefsvc.imports.records import Fault
from prefsvc.imports.words import DOUBTS, Doubt, channel_of, is_yes, meaning, scope_of
from prefsvc.suppression import Reason, ScopeKind

Why: TypeAlias = (
    Fault
    | Doubt
    | Literal[
        "address_missing", "invalid_address", "invalid_sha256", "channel_missing",
        "unknown_channel", "too_many_fields",
    ]
)  # fmt: skip
"""Why a row is refused; docs/import.md says what to do about each."""

Note: TypeAlias = Literal["without_time", "unreadable_time", "topic_unknown"]
"""What is told of rows that count."""

Cells: TypeAlias = Mapping[Column, str]
Form: TypeAlias = Literal["csv", "ndjson"]

WORDS_MAX: Final = 200
"""How much of a reason or source is kept."""
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_PHONE_LIKE: Final = re.compile(r"\+?[\d\s().-]{7,24}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a list is to be read, where it does not say so itself."""

    form: Form | None = None
    encoding: str | None = None
    delimiter: str | None = None
    header: tuple[str, ...] = ()
    columns: Mapping[Column, str]
    channel: Channel | None = None
    scope: ScopeKind | None = None
    topic: str | None = None
    reason: Reason = "opt_out"
    all_opted_out: bool = False
    time_zone: str = "UTC"
    day_order: DayOrder | None = None

    def to_document(self) -> dict[str, object]:
        """Return it as the register keeps it: what is not said is left out."""
        document: dict[str, object] = {
            "form": self.form,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "header": list(self.header),
            "columns": dict(sorted(self.columns.items())),
            "channel": self.channel,
            "scope": self.scope,
            "topic": self.topic,
            "reason": self.reason,
            "all_opted_out": self.all_opted_out,
            "time_zone": self.time_zone,
            "day_order": self.day_order,
        }
        return {key: value for key, value in document.items() if value}


@dataclass(frozen=True, slots=True)
class Share:
    """Which buckets' rows are wanted: those of one of several that read the same list."""

    key_of: Callable[[Channel, bytes], bytes]
    """Gives the address key of a SHA-256, which tells the bucket."""
    number: int = 0
    of: int = 1


@dataclass(slots=True)  # not frozen: that would take four times as long, a million times over
class Row:
    """An opt-out as a list has it."""

    line: int
    channel: Channel
    address: Address | None
    """None where the list has its SHA-256 alone."""
    sha256: bytes
    address_key: bytes
    bucket: int
    scope: ScopeKind | None
    topic: str | None
    reason: Reason
    said_at: datetime | None
    received_at: datetime | None
    country: str | None
    told: dict[str, str]
    """What else the row says, for the evidence."""
    note: Note | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that does not count, with what stood in it."""

    line: int
    why: Why
    fields: Sequence[str]


class Rows:
    """Reads the rows of one list."""

    def __init__(self, reading: Reading, columns: Columns, share: Share) -> None:
        """Take how it is read and where its columns are; refuse what leaves the channel open."""
        self._reading = reading
        self._share = share
        self._columns = columns
        self._where = list(columns.at.items())
        self._zone = ZoneInfo(reading.time_zone)
        is_open = reading.channel is None and not columns.has("channel")
        if is_open and columns.has("email") and columns.has("phone"):
            raise UnreadableImport(_TWO_CHANNELS, pointer="channel")

    def read(self, line: int, fields: Sequence[str]) -> Row | Why | None:
        """Read one row, or say why it does not count; None where it is in another's share."""
        width = len(fields)
        cells = {column: fields[at].strip() for column, at in self._where if at < width}
        why = self._why(cells)
        if why in DOUBTS:
            return why  # type: ignore[return-value] # every doubt is a Why
        whom = self._whom(cells)
        if isinstance(whom, str):
            return whom
        channel, address, sha256 = whom
        key = self._share.key_of(channel, sha256)
        bucket = bucket_of(key)
        if bucket % self._share.of != self._share.number:
            return None
        said_at, received_at, note = self._moments(cells)
        return Row(
            line,
            channel,
            address,
            sha256,
            key,
            bucket,
            scope_of(cells.get("scope", "")) or self._reading.scope,
            cells.get("topic") or self._reading.topic,
            why,  # type: ignore[arg-type] # no doubt, so a reason
            said_at,
            received_at,
            cells.get("country") or None,
            _told(cells, note),
            note,
        )

    def _why(self, cells: Cells) -> Reason | Doubt:
        if self._columns.says_when and not cells.get("said_at"):
            return "not_an_opt_out"
        if "stopped" in cells and is_yes(cells["stopped"]) is False:
            return "not_an_opt_out"
        if "consented" in cells and (
            not cells["consented"] or is_yes(cells["consented"]) is not False
        ):
            return "not_an_opt_out"
        return _meaning(cells.get("status", ""), cells.get("reason", ""), self._reading.reason)

    def _whom(self, cells: Cells) -> tuple[Channel, Address | None, bytes] | Why:
        given = cells.get("channel")
        channel = channel_of(given) if given else self._reading.channel
        if given and channel is None:
            return "unknown_channel"
        text = self._address(cells, channel)
        channel = channel or self._evident(text)
        digest = cells.get("sha256", "")
        if not digest and channel != "post" and _SHA256.fullmatch(text):
            text, digest = "", text
        if channel is None:
            return "channel_missing" if text or digest else "address_missing"
        return _by_address(channel, text) if text else _by_digest(channel, digest)

    def _address(self, cells: Cells, channel: Channel | None) -> str:
        if channel == "post":
            return cells.get("address", "")
        is_mail = channel == "email" or (channel is None and "email" in cells)
        return cells.get("email" if is_mail else "phone") or cells.get("address", "")

    def _evident(self, text: str) -> Channel | None:
        """Return the channel that a column is of by its name, or an address by its form."""
        if self._columns.has("email") or "@" in text:
            return "email"
        is_phone = self._columns.has("phone") or _PHONE_LIKE.fullmatch(text)
        return "sms" if is_phone and text else None

    def _moments(self, cells: Cells) -> tuple[datetime | None, datetime | None, Note | None]:
        """Return when it was said and received, as far as that is told and can be read."""
        said, received = cells.get("said_at"), cells.get("received_at")
        if not (said or received):
            return None, None, "without_time"
        said_at = self._moment(said) if said else None
        received_at = self._moment(received) if received else None
        is_read = (said_at or not said) and (received_at or not received)
        return said_at, received_at, None if is_read else "unreadable_time"

    def _moment(self, text: str) -> datetime | None:
        return read_moment(text, self._zone, self._reading.day_order)


def _told(cells: Cells, note: Note | None) -> dict[str, str]:
    """Return what the row says of itself; a reference that is an address is none."""
    told: dict[str, str] = {
        column: cells[column][:WORDS_MAX] for column in _TOLD if cells.get(column)
    }
    reference = told.get("reference")
    if reference and ("@" in reference or reference == cells.get("address")):
        del told["reference"]
    if note == "unreadable_time":
        told["time"] = (cells.get("said_at") or cells["received_at"])[:WORDS_MAX]
    return told


_TOLD: Final[tuple[Column, ...]] = ("reference", "source", "status", "reason")
_meaning = lru_cache(maxsize=4096)(meaning)


def _by_address(channel: Channel, text: str) -> tuple[Channel, Address | None, bytes] | Why:
    try:
        address = Address.for_opt_out(channel, text)
    except InvalidAddress:
        return "invalid_address"
    return channel, address, address.sha256


def _by_digest(channel: Channel, digest: str) -> tuple[Channel, Address | None, bytes] | Why:
    if not digest:
        return "address_missing"
    if not _SHA256.fullmatch(digest):
        return "invalid_sha256"
    return channel, None, bytes.fromhex(digest)


_TWO_CHANNELS: Final = (
    "This file has a column of email addresses and one of phone numbers; say of which of them its "
    "opt-outs are, as --channel email or --channel sms."
)
