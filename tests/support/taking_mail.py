"""The door for mail by itself, on a free port of this machine."""

import asyncio
from contextlib import asynccontextmanager

from prefsvc.mailbox.listener import conversing


@asynccontextmanager
async def listening(service):
    """Take mail for the block; yield the port."""
    async with conversing(service) as protocol:
        server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
