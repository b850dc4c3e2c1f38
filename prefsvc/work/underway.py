"""Work that a loop has begun, and its end when the service stops."""

import asyncio
from collections.abc import Iterable


async def come_to_an_end(begun: Iterable[asyncio.Task[None]], *, grace_seconds: float) -> None:
    """Let tasks come to their end; break off those that take longer."""
    tasks = list(begun)
    if tasks:
        await asyncio.wait(tasks, timeout=grace_seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
