"""What a provider posts, before anybody knows whether it was the provider."""

from aiohttp import web

from prefsvc.bodies import read_body
from prefsvc.doors import SERVICE


async def read_posted(request: web.Request, *, bytes_max: int | None = None) -> bytes:
    """Read a webhook's body within its limits of size and time, or refuse it.

    `bytes_max` is for what comes in batches; without it, one message's limit counts.
    """
    settings = request.app[SERVICE].settings
    return await read_body(
        request,
        bytes_max=bytes_max or settings.provider_body_bytes_max,
        timeout_seconds=settings.body_read_timeout_seconds,
    )
