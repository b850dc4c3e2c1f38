"""A bare aiohttp handler on uvloop that answers at once: the most that any handler could reach.

It runs as processes of its own (`python -m tests.bench.bare PORT`) that share a port.
"""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

ANSWER = b'{"status":"recorded"}'


async def answer(_: web.Request) -> web.Response:
    return web.Response(body=ANSWER, content_type="application/json")


@asynccontextmanager
async def bare(processes: int = 1) -> AsyncIterator[int]:
    """Run the bare handler in so many processes and yield their port."""
    async with AsyncExitStack() as stack:
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            taken.bind(("127.0.0.1", 0))
            port = int(taken.getsockname()[1])
            for _ in range(processes):
                await stack.enter_async_context(_process(port))
        yield port


@asynccontextmanager
async def _process(port: int) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.bare", str(port), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    try:
        await process.stdout.readline()
        yield
    finally:
        process.terminate()
        await process.wait()


async def serve(port: int) -> None:
    app = web.Application()
    app.add_routes([web.route("*", "/{tail:.*}", answer)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_port=True).start()
    print("serving", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    import uvloop  # noqa: PLC0415 - only this process wants it

    uvloop.run(serve(int(sys.argv[1])))


if __name__ == "__main__":
    main()
