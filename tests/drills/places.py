"""The houses that are drilled: with an embedded PostgreSQL, with one elsewhere, on a small disk."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prefsvc import engine
from prefsvc.vault import make_secrets
from tests.drills.disk import Disk, small_disk
from tests.drills.house import House, HouseWithItsOwnServer, move_in, settings_of
from tests.support.running_service import open_folder
from tests.support.wire import Wire, laid, socket_of, through

MEBIBYTES = 256
"""Room for a cluster, and for some thousands of opt-outs."""


class NotPermittedError(Exception):
    """What a drill needs may not be done here."""


@asynccontextmanager
async def at_home(*options: str, **settings: object) -> AsyncIterator[House]:
    """Open a house with an embedded PostgreSQL."""
    with open_folder() as folder:
        house = House(folder, settings_of(folder, **settings), options)
        await move_in(house)
        yield house


@asynccontextmanager
async def elsewhere(*options: str, **settings: object) -> AsyncIterator[tuple[House, Wire]]:
    """Open a house whose PostgreSQL is reached over a line."""
    # Run from the main thread, and until the block ends, as the engine asks.
    with open_folder() as folder, engine.running(folder / "server") as server:
        async with laid(socket_of(server.dsn)) as wire:
            given = settings_of(folder, database_url=through(wire, server.dsn), **settings)
            house = HouseWithItsOwnServer(folder, given, options, dsn=server.dsn)
            make_secrets(folder / "data" / "secrets")
            await move_in(house)
            yield house, wire


@asynccontextmanager
async def on_small_disk(part: str, **settings: object) -> AsyncIterator[tuple[House, Disk]]:
    """Open a house of which a part of the data directory is on a small disk."""
    async with at_home(**settings) as house:
        with small_disk(house.folder / "data" / part, mebibytes=MEBIBYTES) as disk:
            if disk is None:
                raise NotPermittedError("mounting a small disk is not permitted here")
            yield house, disk
