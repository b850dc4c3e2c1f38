"""Waiting for what comes about by itself and gives no other sign: a row, a lock, a log's line."""

import asyncio
from inspect import isawaitable

LIMIT_SECONDS = 20
"""Much longer than anything takes that is waited for: a machine may be busy."""


async def until(is_so):
    """Ask until it is so, here or in the database; return what it said then."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not (found := await _told(is_so())):  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)
    return found


async def _told(answer):
    return await answer if isawaitable(answer) else answer
