"""What comes with a request: a body within its limits, and headers that came once."""

import asyncio

from aiohttp import web

from prefsvc.errors import BodyTooLarge, BodyTooSlow, UnreadableBody


def only_header(request: web.Request, name: str) -> str | None:
    """Return a header that came once; of several, nobody can say which one the caller sent."""
    values = request.headers.getall(name, [])
    return values[0] if len(values) == 1 else None


async def read_body(request: web.Request, *, bytes_max: int, timeout_seconds: float) -> bytes:
    """Read a body within its limits of size and time, or refuse it."""
    if (request.content_length or 0) > bytes_max:
        raise BodyTooLarge(f"The body is larger than {bytes_max} bytes; send less at once.")
    try:
        body = await _read_in_time(request, bytes_max + 1, timeout_seconds)
    except TimeoutError:
        raise BodyTooSlow from None
    except (web.RequestPayloadError, ValueError):
        # A content encoding that does not decode, or a connection that broke off.
        raise UnreadableBody from None
    if len(body) > bytes_max:
        raise BodyTooLarge(f"The body is larger than {bytes_max} bytes; send less at once.")
    return body


async def read_some(
    request: web.Request, *, bytes_max: int, timeout_seconds: float
) -> bytes | None:
    """Read what there is of a body that is not needed; None if it is unreadable."""
    try:
        return await _read_in_time(request, bytes_max, timeout_seconds)
    except (TimeoutError, web.RequestPayloadError, ValueError, ConnectionError):
        return None


async def _read_in_time(request: web.Request, bytes_max: int, seconds: float) -> bytes:
    if request.content.is_eof():
        return request.content.read_nowait(bytes_max)  # as most, it came whole with its head
    async with asyncio.timeout(seconds):
        return await _read(request, bytes_max)


async def _read(request: web.Request, bytes_max: int) -> bytes:
    chunks = bytearray()
    while len(chunks) < bytes_max:
        chunk = await request.content.read(bytes_max - len(chunks))
        chunks += chunk
        if not chunk or request.content.at_eof():
            break
    return bytes(chunks)
