"""`prefsvc restored`: an older copy was brought back, so no cursor given out since may count."""

from argparse import Namespace
from uuid import UUID

from prefsvc import installation
from prefsvc.cli.context import Commands, with_service
from prefsvc.db import queries
from prefsvc.doors import Service
from prefsvc.settings import Settings


def add_to(commands: "Commands") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "restored", help="after bringing back a copy of the database: begin a new feed epoch"
    )
    parser.set_defaults(run=_restored)


async def begin_epoch(service: Service) -> UUID:
    """Begin a new feed epoch though the server's history shows none; return it.

    A restore to a point in time and a dump read into a new server are noticed by themselves. A
    folder or a disk that was put back is not: nothing in it tells that it was ever ahead.
    """
    async with service.database.transaction() as tx:
        history = await queries.server_history(tx.conn)
        await installation.begin_epoch(tx, previous_history=history, history=history)
        return await installation.feed_epoch(tx)


def _restored(settings: Settings, _: Namespace) -> int:
    with_service(settings, begin_epoch)
    print(
        "A new feed epoch has begun. Cursors from before are refused, and no sender has clearance "
        "until it has pulled the suppressions again, applied and acknowledged them."
    )
    return 0
