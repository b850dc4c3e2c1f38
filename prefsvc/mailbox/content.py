"""What comes between DATA and the lone dot that ends it (RFC 5321 §4.5.2), within a limit.

aiosmtpd's own reading keeps each line as an object and a line without an end without a limit, so
that one connection could take any amount of memory, and it refuses long lines. Pure: octets in.
"""

from typing import Final

_LINE_END: Final = b"\r\n"
_END: Final = b"\r\n.\r\n"


class Content:
    """The octets of one mail while they arrive; of one that is too large nothing is kept."""

    def __init__(self, *, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        # The end of the line that said DATA: the dot may follow it at once.
        self._read = bytearray(_LINE_END)
        self.is_too_large = False

    def feed(self, octets: bytes) -> bytes | None:
        """Take what arrived; return what came after the end, None while there is no end."""
        begin = max(0, len(self._read) - len(_END) + 1)
        self._read += octets
        end = self._read.find(_END, begin)
        rest = None
        if end >= 0:
            rest = bytes(self._read[end + len(_END) :])
            del self._read[end + len(_LINE_END) :]
        begun = 0 if end >= 0 else len(_END) - 1  # so much of the end may have come
        if len(self._read) - len(_LINE_END) - begun > self._bytes_max:
            self.is_too_large = True
        if self.is_too_large:
            del self._read[: -len(_END) + 1]
        return rest

    @property
    def octets(self) -> bytes:
        """Return the mail as it was before the dots at the beginnings of its lines were doubled."""
        return bytes(self._read.replace(b"\r\n.", _LINE_END)[len(_LINE_END) :])
