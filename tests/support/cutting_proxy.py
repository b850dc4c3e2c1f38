"""A way to a server that breaks off wherever the server says a certain thing."""

import asyncio
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def cutting(port, marker):
    """Lead to a port of this machine for the block; yield the port that leads there."""
    ways = set()

    async def lead(reader, writer):
        ways.add(asyncio.current_task())
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.wait(
                [
                    asyncio.ensure_future(pass_on(reader, far_writer, None)),
                    asyncio.ensure_future(pass_on(far_reader, writer, marker)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for one in (writer, far_writer):
                one.transport.abort()
            ways.discard(asyncio.current_task())

    server = await asyncio.start_server(lead, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for way in list(ways):
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def pass_on(reader, writer, marker):
    said = b""
    with suppress(OSError):
        while octets := await reader.read(4096):
            said = said[-100:] + octets
            if marker and marker in said:
                return
            writer.write(octets)
            await writer.drain()
