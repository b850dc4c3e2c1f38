"""A database of their own, for the tests that need an empty one."""

import asyncio
import secrets
from contextlib import asynccontextmanager

import asyncpg

from tests.support.scratch_database import named


@asynccontextmanager
async def new_database(server_url, *options):
    name = f"prefsvc_test_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(server_url)
    try:
        await admin.execute(" ".join(["create database", name, *options]))
        try:
            yield named(server_url, name)
        finally:
            await admin.execute(f"drop database {name} with (force)")
    finally:
        await admin.close()


@asynccontextmanager
async def session(dsn):
    conn = await asyncpg.connect(dsn)
    try:
        yield conn
    finally:
        await conn.close()


async def until(conn, condition, *arguments):
    """Wait until SQL is true of the server; what other sessions wait for gives no other signal."""
    async with asyncio.timeout(20):
        while not await conn.fetchval(f"select {condition}", *arguments):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
