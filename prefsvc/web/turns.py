"""Waiting for one of a few places: what costs memory for long is done by few at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prefsvc.doors import Service
from prefsvc.errors import TooBusy


@asynccontextmanager
async def turn(service: Service, places: asyncio.Semaphore) -> AsyncIterator[None]:
    """Take one of these places for the block; wait for it, not for long."""
    try:
        await asyncio.wait_for(places.acquire(), service.settings.connect_timeout_seconds)
    except TimeoutError:
        raise TooBusy from None
    try:
        yield
    finally:
        places.release()
