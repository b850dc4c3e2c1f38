"""A bare aiohttp handler on uvloop that answers at once: the most that any handler could reach.

It runs as a process of its own (`python -m tests.bench.bare`) and says which port it took.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

ANSWER = b'{"status":"recorded"}'


async def answer(_: web.Request) -> web.Response:
    return web.Response(body=ANSWER, content_type="application/json")


@asynccontextmanager
async def bare() -> AsyncIterator[int]:
    """Run the bare handler and yield its port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.bare", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    try:
        yield int(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()


async def serve() -> None:
    app = web.Application()
    app.add_routes([web.post("/{tail:.*}", answer), web.get("/{tail:.*}", answer)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


def main() -> None:
    import uvloop  # noqa: PLC0415 - only this process wants it

    uvloop.run(serve())


if __name__ == "__main__":
    main()
