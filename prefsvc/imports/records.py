"""Records of a CSV file: a line each, or several where a quoted field goes on. Pure.

A quote that is never closed would swallow every row after it. So a record of several lines must be
perfect CSV, and short; if it is not, its first line alone is refused and the others are read again.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from prefsvc.imports.lines import LINE_BYTES_MAX

LINES_MAX: Final = 64
"""How many lines one record may have."""

Fault: TypeAlias = Literal["line_too_long", "unclosed_quote", "malformed"]
Record: TypeAlias = tuple[int, list[str] | Fault, str]
"""The number of its first line, its fields or what is wrong with it, and that line."""


class _OpenError(Exception):
    """A quoted field goes on in the next line."""


@dataclass(slots=True)
class Records:
    """Puts lines together to records."""

    delimiter: str
    width: int | None = None
    """How many columns the header names, once it was read."""
    _open: list[tuple[int, str]] = field(default_factory=list)
    _octets: int = 0

    def is_plain(self, line: str) -> bool:
        """Say whether a line is a record by itself, to be split where its delimiter stands."""
        return '"' not in line and not self._open and not line.isspace()

    def add(self, number: int, line: str | None) -> Iterator[Record]:
        """Yield the records that this line ends."""
        if line is None:
            yield from self.end()
            yield number, "line_too_long", ""
        elif self._open:
            yield from self._continued(number, line)
        elif '"' in line:
            yield from self._begun(number, line)
        elif line and not line.isspace():
            yield number, line.split(self.delimiter), line

    def end(self) -> Iterator[Record]:
        """Yield what is left once no line follows: the first of them has an unclosed quote."""
        while self._open:
            yield from self._refused()

    def _begun(self, number: int, line: str) -> Iterator[Record]:
        try:
            yield number, _fields(line, self.delimiter, strict=False), line
        except _OpenError:
            self._open, self._octets = [(number, line)], len(line)
        except csv.Error:
            yield number, "malformed", line

    def _continued(self, number: int, line: str) -> Iterator[Record]:
        self._open.append((number, line))
        self._octets += len(line) + 1
        if len(self._open) > LINES_MAX or self._octets > LINE_BYTES_MAX:
            yield from self._refused()
        elif '"' in line:
            yield from self._closed()

    def _closed(self) -> Iterator[Record]:
        first, line = self._open[0]
        try:
            text = "\n".join(text for _, text in self._open)
            fields = _fields(text, self.delimiter, strict=True)
        except _OpenError:
            return
        except csv.Error:
            yield from self._refused()
            return
        if self.width is not None and len(fields) != self.width:
            yield from self._refused()
            return
        self._open = []
        yield first, fields, line

    def _refused(self) -> Iterator[Record]:
        """Refuse the first line, and read those after it as if it had not been there."""
        (number, line), *others = self._open
        self._open = []
        yield number, "unclosed_quote", line
        for each in others:
            yield from self.add(*each)


def _fields(text: str, delimiter: str, *, strict: bool) -> list[str]:
    """Read one record; raise _OpenError if it goes on, csv.Error if it is none."""

    def only() -> Iterator[str]:
        yield text
        raise _OpenError

    return next(csv.reader(only(), delimiter=delimiter, strict=strict))


_DELIMITERS: Final = ",;\t|"


def delimiter_of(header: str) -> str:
    """Return what separates the columns of this header; a comma where there is but one."""
    outside = "".join(header.split('"')[::2])
    return max(_DELIMITERS, key=outside.count)
