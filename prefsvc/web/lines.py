"""Bodies that are read while they arrive: line by line, within limits of size, number and time."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import web

from prefsvc.errors import BodyTooLarge, BodyTooSlow, Refusal, UnreadableBody

LINE_BYTES_MAX = 8192

Line: TypeAlias = bytes | Refusal
"""A line without its end, or why it is not read."""


@dataclass(slots=True)
class Splitter:
    """Cuts what arrives into lines and keeps what has no end yet; blank lines are dropped.

    Of a line that is too long no more is kept than shows it; it is refused, and the others stand.
    """

    rest: bytes = b""

    def feed(self, chunk: bytes) -> list[Line]:
        """Return the lines that this chunk ends."""
        *whole, rest = (self.rest + chunk).split(b"\n")
        self.rest = rest[: LINE_BYTES_MAX + 1]
        return [line for one in whole for line in _lines(one)]

    def end(self) -> list[Line]:
        """Return the last line, where nothing ended it."""
        return _lines(self.rest)


def _lines(line: bytes) -> list[Line]:
    """Return the line, nothing if it is blank, or a refusal if it is longer than what is kept."""
    if len(line) > LINE_BYTES_MAX:
        return [BodyTooLarge(f"This line is longer than {LINE_BYTES_MAX} bytes.")]
    return [line] if line.strip() else []


async def chunks(
    request: web.Request, *, bytes_max: int, pause_seconds: float, whole_seconds: float
) -> AsyncIterator[bytes]:
    """Yield the body as it arrives.

    Refused where more than `bytes_max` come, where nothing comes for a pause of this length, and
    where the whole takes longer than it may.
    """
    total, until = 0, asyncio.get_running_loop().time() + whole_seconds
    while chunk := await _chunk(request, pause_seconds, until):
        total += len(chunk)
        if total > bytes_max:
            raise BodyTooLarge(f"More than {bytes_max} bytes; send less at once.")
        yield chunk
        # What has arrived already is read without waiting: let others have their turn.
        await asyncio.sleep(0)


async def _chunk(request: web.Request, pause_seconds: float, until: float) -> bytes:
    pause_until = asyncio.get_running_loop().time() + pause_seconds
    try:
        async with asyncio.timeout_at(min(pause_until, until)):
            return await request.content.readany()
    except TimeoutError:
        raise BodyTooSlow from None
    except (web.RequestPayloadError, ValueError, ConnectionError):
        # A content encoding that does not decode, or a connection that broke off.
        raise UnreadableBody from None


async def lines(arriving: AsyncIterator[bytes], *, lines_max: int) -> AsyncIterator[Line]:
    """Yield the lines of what arrives; refuse those past the most there may be."""
    splitter, count = Splitter(), 0
    async for chunk in arriving:
        for line in splitter.feed(chunk):
            count = _counted(count, lines_max)
            yield line
    for line in splitter.end():
        _counted(count, lines_max)
        yield line


def _counted(count: int, lines_max: int) -> int:
    if count == lines_max:
        raise BodyTooLarge(f"More than {lines_max} lines; the first {lines_max} were read.")
    return count + 1


async def batches(every: AsyncIterator[Line], size: int) -> AsyncIterator[list[Line]]:
    """Yield the lines so many at a time; what was read before a refusal comes before it."""
    batch: list[Line] = []
    try:
        async for line in every:
            batch.append(line)
            if len(batch) == size:
                yield batch
                batch = []
    except Refusal:
        if batch:
            yield batch
        raise
    if batch:
        yield batch
