"""The lines of a file, whatever ends them and whatever they are written in. Pure.

Nobody says in which encoding a file is, and some are in two. So each line is read as UTF-8 and, if
it is none, as Windows-1252, of which Latin-1 is a part; UTF-16 is known by its first octets.
"""

import codecs
from collections.abc import Iterable
from typing import Final

from prefsvc.errors import UnreadableImport

LINE_BYTES_MAX: Final = 64 << 10
LINE_TOO_LONG: Final = None
"""Stands for a line of which no more was kept than shows its length."""

_GUESSED: Final = "cp1252"
_MARKS: Final = (  # the longer first: UTF-32's begins as UTF-16's does
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def check_encoding(name: str) -> str:
    """Return an encoding's usual name; refuse what is none."""
    try:
        "".encode(found := codecs.lookup(name).name)
    except (LookupError, ValueError):
        raise UnreadableImport(
            "There is no such encoding; name it as utf-8, latin-1, cp1252 or utf-16.",
            pointer="encoding",
        ) from None
    return found


class Lines:
    """Cuts octets into lines, blank ones too, since lines are counted; keeps what has no end."""

    def __init__(self, encoding: str | None = None) -> None:
        self._encoding = encoding
        self._decoder: codecs.IncrementalDecoder | None = None
        self._is_begun = False
        self._rest = b""

    def feed(self, octets: bytes) -> list[str | None]:
        """Return the lines that these octets end."""
        data = self._rest + self._in_utf_8(octets)
        # The last octet may be half of a CRLF.
        end = max(data.rfind(b"\n"), data.rfind(b"\r", 0, max(len(data) - 1, 0))) + 1
        self._rest = data[end : end + LINE_BYTES_MAX + 1]
        if len(data) - end > len(self._rest) and data.endswith(b"\r"):
            self._rest = self._rest[:-1] + b"\r"
        return self._texts(data[:end].splitlines())

    def end(self) -> list[str | None]:
        """Return the last line, where nothing ended it."""
        rest = self.feed(b"") + self._texts(self._rest.splitlines())
        self._rest = b""
        return rest

    def _texts(self, lines: Iterable[bytes]) -> list[str | None]:
        return [
            self._text(line) if len(line) <= LINE_BYTES_MAX else LINE_TOO_LONG for line in lines
        ]

    def _text(self, line: bytes) -> str:
        try:
            return line.decode()
        except UnicodeDecodeError:
            is_guess = self._encoding is None
            return line.decode(_GUESSED if is_guess else "utf-8", "replace")

    def _in_utf_8(self, octets: bytes) -> bytes:
        if not self._is_begun and octets:
            self._is_begun = True
            octets = self._without_mark(octets)
        if self._decoder is None:
            return octets
        try:
            return self._decoder.decode(octets).encode("utf-8", "replace")
        except UnicodeError:
            raise UnreadableImport("This is not written in the encoding that was named.") from None

    def _without_mark(self, octets: bytes) -> bytes:
        name = self._encoding or next((n for m, n in _MARKS if octets.startswith(m)), None)
        if name not in {None, "utf-8"}:
            self._decoder = codecs.getincrementaldecoder(name or "")("replace")
        return octets.removeprefix(codecs.BOM_UTF8)
