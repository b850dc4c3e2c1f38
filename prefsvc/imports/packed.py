"""Undoing gzip piece by piece, so that no file, however it was packed, takes more than a piece.

Pure.
"""

import zlib
from collections.abc import Iterator
from typing import Final

from prefsvc.errors import UnreadableImport

PIECE_BYTES_MAX: Final = 1 << 18
_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK\x03\x04"
_GZIP_WINDOW: Final = 31  # zlib's own number for "gzip, with its header"


class Unpacked:
    """What a file holds: as it is, or taken out of gzip if it begins like that."""

    def __init__(self) -> None:
        self._start: bytes | None = b""
        self._packed: zlib._Decompress | None = None

    def feed(self, octets: bytes) -> Iterator[bytes]:
        """Yield what these further octets hold, in pieces."""
        if self._start is not None:
            octets = self._start + octets
            if len(octets) < len(_ZIP):
                self._start = octets
                return
            self._begin(octets)
        yield from self._pieces(octets) if self._packed else (octets,)

    def end(self) -> Iterator[bytes]:
        """Yield what is left at the end; refuse a file that was cut off."""
        if self._start:
            octets = self._start
            self._begin(octets)
            yield from self._pieces(octets) if self._packed else (octets,)
        if self._packed and not self._packed.eof:
            raise UnreadableImport("The gzip file is cut off; bring it over again, whole.")

    def _begin(self, octets: bytes) -> None:
        self._start = None
        if octets.startswith(_ZIP):
            raise UnreadableImport("This is a spreadsheet or a zip file; export it as CSV.")
        if octets.startswith(_GZIP):
            self._packed = zlib.decompressobj(_GZIP_WINDOW)

    def _pieces(self, octets: bytes) -> Iterator[bytes]:
        while octets and self._packed:
            if self._packed.eof:
                # Files of several members are one file; what fills the last block is nothing.
                octets = octets.lstrip(b"\0")
                self._packed = zlib.decompressobj(_GZIP_WINDOW) if octets else self._packed
                continue
            try:
                piece = self._packed.decompress(octets, PIECE_BYTES_MAX)
            except zlib.error:
                raise UnreadableImport("The gzip file is damaged; bring it over again.") from None
            octets = self._packed.unconsumed_tail or self._packed.unused_data
            if piece:
                yield piece
