"""The line between the parent and a worker: a message a line, and its end when either dies."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Final, TypeAlias

import msgspec

from prefsvc.processes.totals import Family

_BYTES_MAX: Final = 64 << 20
"""Of one message: a process's metrics are its longest."""


class Alive(msgspec.Struct, tag=True, frozen=True):
    """A worker's sign that it is not stuck."""


class Ready(msgspec.Struct, tag=True, frozen=True):
    """A worker serves."""


class Cover(msgspec.Struct, tag=True, frozen=True):
    """Take connections also where these workers would, which are not there."""

    numbers: tuple[int, ...]


class Ask(msgspec.Struct, tag=True, frozen=True):
    """Say your metrics: a worker's own, and the parent's those of all."""

    number: int


class Told(msgspec.Struct, tag=True, frozen=True):
    """The answer to that number."""

    number: int
    families: tuple[Family, ...]


Message: TypeAlias = Alive | Ready | Cover | Ask | Told
_decoder: Final = msgspec.json.Decoder(Message)


class Line:
    """One end of the line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak over these streams."""
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> "Line":
        """Take one end of a pair of sockets."""
        return cls(*await asyncio.open_connection(sock=end, limit=_BYTES_MAX))

    def say(self, message: Message) -> None:
        """Send a message; to whoever has hung up, in vain."""
        if not self._writer.is_closing():
            self._writer.write(msgspec.json.encode(message) + b"\n")

    async def heard(self) -> AsyncIterator[Message]:
        """Yield messages until the other end hangs up."""
        try:
            while text := await self._reader.readline():
                yield _decoder.decode(text)
        except (ConnectionError, msgspec.DecodeError):
            return  # it died in the middle of a word

    def hang_up(self) -> None:
        """Close our end."""
        self._writer.close()
