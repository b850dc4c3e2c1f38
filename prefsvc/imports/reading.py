"""Reading a list from its first octet to its last: rows that count, and refused ones. Pure."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from prefsvc.errors import ImportDiffers, UnreadableImport
from prefsvc.imports.columns import find
from prefsvc.imports.lines import LINE_TOO_LONG, Lines
from prefsvc.imports.packed import Unpacked
from prefsvc.imports.records import Record, Records, delimiter_of
from prefsvc.imports.rows import Reading, Refused, Row, Rows, Share, Why

Read: TypeAlias = Row | Refused
Reached: TypeAlias = tuple[int, bytes]
"""A line, and the digest of all lines up to it."""

_SEPARATOR: Final = re.compile(r"sep=(.)")  # what Excel writes above the header
_LIKE_AN_ADDRESS: Final = re.compile(r'"?(?:[^\s@",;]+@[^\s@",;]+|\+\d{7,15}|[0-9a-fA-F]{64})"?')
_SHAPES_MAX: Final = 256
_ARRAY: Final = "This is one JSON array; give one object a line, as `jq -c '.[]'` writes them."
_NO_HEADER: Final = (
    "The first line holds addresses, not names of columns: give those, as --header address,said_at."
)


class Reader:
    """Reads a list as it arrives, whatever it is packed in; holds no more than a record of it."""

    def __init__(self, reading: Reading, share: Share, expected: Reached | None = None) -> None:
        """Begin; `expected` is how far the same list was read before, and its digest there."""
        self.line = 0
        self.header: Sequence[str] = ()
        self._reading = reading
        self._share = share
        self._expected = expected
        self._digest = hashlib.sha256()
        self._unpacked = Unpacked()
        self._lines = Lines(reading.encoding)
        self._table: _Csv | _Ndjson | None = None

    @property
    def reached(self) -> Reached:
        """Return the last line that was read, and the digest of all up to it."""
        return self.line, self._digest.digest()

    @property
    def is_proven(self) -> bool:
        """Say whether it was read so far that it can be no other list than before."""
        return self._expected is None or self.line >= self._expected[0]

    def feed(self, octets: bytes) -> Iterator[Read]:
        """Yield the rows that these further octets end, in order."""
        for piece in self._unpacked.feed(octets):
            yield from self._read(self._lines.feed(piece))

    def end(self) -> Iterator[Read]:
        """Yield the last rows; refuse a list without any line, or shorter than it was."""
        for piece in self._unpacked.end():
            yield from self._read(self._lines.feed(piece))
        yield from self._read(self._lines.end())
        if self._table is None:
            raise UnreadableImport("There is nothing in this file.")
        yield from self._table.end()
        if self._expected and self.line < self._expected[0]:
            raise ImportDiffers

    def _read(self, lines: Sequence[str | None]) -> Iterator[Read]:
        for line in lines:
            self.line += 1
            self._digest.update(b"\0\n" if line is None else line.encode() + b"\n")
            if self._expected and self.line == self._expected[0]:
                self._compare(self._expected)
            if self._table is None:
                self._begin(line)
            if self._table is not None:
                yield from self._table.add(self.line, line)

    def _compare(self, expected: Reached) -> None:
        if self.reached != expected:
            raise ImportDiffers

    def _begin(self, line: str | None) -> None:
        """Find out what it is by its first line that is not blank."""
        text = (line or "").strip()
        if line is not LINE_TOO_LONG and not text:
            return
        form = self._reading.form or ("ndjson" if text.startswith("{") else "csv")
        if text.startswith("["):
            raise UnreadableImport(_ARRAY)
        of_form = _Ndjson if form == "ndjson" else _Csv
        self._table = of_form(self._reading, self._share, self)


class _Csv:
    """Rows of columns, under a line that names them."""

    def __init__(self, reading: Reading, share: Share, reader: Reader) -> None:
        self._reading = reading
        self._share = share
        self._reader = reader
        self._rows: Rows | None = None
        self._records: Records | None = None

    def add(self, number: int, line: str | None) -> Iterator[Read]:
        if self._records is None:
            found = _SEPARATOR.fullmatch((line or "").strip())
            delimiter = self._reading.delimiter or (found[1] if found else delimiter_of(line or ""))
            self._records = Records(delimiter)
            if found:
                return
        elif line and self._rows and self._records.is_plain(line):
            if one := self._row(number, line.split(self._records.delimiter)):
                yield one
            return
        for record in self._records.add(number, line):
            yield from self._read(record)

    def end(self) -> Iterator[Read]:
        for record in self._records.end() if self._records else ():
            yield from self._read(record)
        if self._rows is None:
            raise UnreadableImport("There is nothing in this file but names of columns.")

    def _read(self, record: Record) -> Iterator[Read]:
        number, fields, line = record
        if self._rows is None and self._is_header(fields):
            return
        if isinstance(fields, str):
            yield Refused(number, fields, [line])
        elif one := self._row(number, fields):
            yield one

    def _row(self, number: int, fields: list[str]) -> Read | None:
        if fields[0] == "#end":  # the last line of our own snapshots
            return None
        width = len(self._reader.header)
        if len(fields) > width and any(map(str.strip, fields[width:])):
            return Refused(number, "too_many_fields", fields)
        read = self._rows.read(number, fields) if self._rows else None
        return Refused(number, read, fields) if isinstance(read, str) else read

    def _is_header(self, fields: Sequence[str] | str) -> bool:
        """Take the names of the columns, from here or as they were given; say if this was them."""
        reading = self._reading
        if isinstance(fields, str):
            raise UnreadableImport("The first line, which names the columns, cannot be read.")
        is_data = any(_LIKE_AN_ADDRESS.fullmatch(one.strip()) for one in fields)
        header = reading.header or fields
        if not reading.header and is_data:
            if len(fields) > 1:
                raise UnreadableImport(_NO_HEADER)
            header = ["address"]
        columns = find(
            header, reading.columns, channel=reading.channel, everybody=reading.all_opted_out
        )
        self._rows = Rows(reading, columns, self._share)
        self._reader.header = list(header)
        if self._records:
            self._records.width = len(header)
        return not is_data and not reading.header


class _Ndjson:
    """A JSON object a line, each with its own names."""

    def __init__(self, reading: Reading, share: Share, _reader: Reader) -> None:
        self._reading = reading
        self._share = share
        self._shapes: dict[tuple[str, ...], Rows | Why] = {}

    def add(self, number: int, line: str | None) -> Iterator[Read]:
        if line is None:
            yield Refused(number, "line_too_long", [""])
            return
        if not line or line.isspace():
            return
        try:
            document = msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            yield Refused(number, "malformed", [line])
            return
        if document.get("end") is not True:  # the last line of our own snapshots
            yield from self._row(number, line, _flat(document))

    def end(self) -> Iterator[Read]:
        yield from ()

    def _row(self, number: int, line: str, values: dict[str, str]) -> Iterator[Read]:
        rows = self._rows(tuple(values))
        read = rows if isinstance(rows, str) else rows.read(number, list(values.values()))
        if read is not None:
            yield Refused(number, read, [line]) if isinstance(read, str) else read

    def _rows(self, names: tuple[str, ...]) -> Rows | Why:
        if names not in self._shapes:
            if len(self._shapes) >= _SHAPES_MAX:
                self._shapes.clear()
            self._shapes[names] = self._found(names)
        return self._shapes[names]

    def _found(self, names: tuple[str, ...]) -> Rows | Why:
        reading = self._reading
        given = {column: name for column, name in reading.columns.items() if name in names}
        try:
            columns = find(names, given, channel=reading.channel, everybody=reading.all_opted_out)
            return Rows(reading, columns, self._share)
        except UnreadableImport as refusal:
            return _WHY[refusal.pointer or ""]


_WHY: Final[Mapping[str, Why]] = {
    "": "malformed",
    "all_opted_out": "not_an_opt_out",
    "channel": "channel_missing",
    "columns": "address_missing",
}
"""What a file would be refused for as a whole, of one line."""


def _flat(document: dict[str, Any]) -> dict[str, str]:
    """Return the values as texts, those of an object within under both names: `reason.code`."""
    flat: dict[str, str] = {}
    for name, value in document.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": _text(each) for key, each in value.items()}
        else:
            flat[name] = _text(value)
    return flat


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""
