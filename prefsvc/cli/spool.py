"""`prefsvc spool`: opt-outs that the database could not take yet, and giving them back."""

import asyncio
import json
from argparse import Namespace
from collections.abc import Callable
from typing import TypeVar

import msgspec

from prefsvc.cli.context import Commands, with_service
from prefsvc.doors import Service
from prefsvc.settings import Settings
from prefsvc.spool.replaying import replay
from prefsvc.spool.spool import Spool
from prefsvc.spool.store import FILE, Kept, Standing, Store

T = TypeVar("T")
SHOWN_DEFAULT = 100


def add_to(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("spool", help="see what waits for the database, give it back")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listed = actions.add_parser("list", help="list what waits and what was set aside; no addresses")
    listed.add_argument(
        "--limit", type=int, default=SHOWN_DEFAULT, help=f"the most of each ({SHOWN_DEFAULT})"
    )
    listed.add_argument("--json", action="store_true", help="print a line of JSON for each")
    listed.set_defaults(run=_list)
    again = actions.add_parser("replay", help="give back what waits, as the service does by itself")
    again.add_argument("--set-aside", action="store_true", help="and what was set aside")
    again.set_defaults(run=_replay)


def _list(settings: Settings, given: Namespace) -> int:
    nothing: list[Kept] = []
    kept = _with_store(
        settings,
        lambda store: [*store.first(given.limit), *store.set_aside_ones(given.limit)],
        otherwise=nothing,
    )
    show = _as_json if given.json else _line
    print("\n".join(show(one) for one in kept) or "The spool is empty.")
    return 0


def _replay(settings: Settings, given: Namespace) -> int:
    if given.set_aside:
        _with_store(settings, Store.try_again, otherwise=0)

    async def work(service: Service) -> tuple[int, int, int]:
        count = await replay(service)
        standing = (await service.spool.state()).standing
        return count, standing.waiting, standing.set_aside

    count, waiting, aside = with_service(settings, work)
    print(f"{count} given back, {waiting} still wait, {aside} are set aside.")
    return 1 if waiting or aside else 0


def standing(settings: Settings) -> Standing:
    """Return how much is in the spool; raises SpoolUnusable."""
    return _with_store(settings, Store.standing, otherwise=Standing(0, None, 0))


def _with_store(settings: Settings, work: Callable[[Store], T], *, otherwise: T) -> T:
    """Do something with the file, if there is one."""
    if not (settings.spool_folder / FILE).exists():
        return otherwise

    async def run() -> T:
        spool = Spool(
            settings.spool_folder,
            items_max=settings.spool_items_max,
            bytes_max=settings.spool_bytes_max,
        )
        try:
            return await spool.use(work)
        finally:
            spool.close()

    return asyncio.run(run())


def _told(one: Kept) -> dict[str, object]:
    """Return what may be shown of an item: never whom it is about."""
    try:
        item = msgspec.json.decode(one.content)
    except msgspec.DecodeError:
        item = {}
    return {
        "item": one.item_id,
        "kept_at": one.kept_at.isoformat(),
        "kind": item.get("type", "unreadable"),
        "acts": len(item.get("acts", ())) or 1,
        "fault": one.fault,
    }


def _as_json(one: Kept) -> str:
    return json.dumps(_told(one))


def _line(one: Kept) -> str:
    told = _told(one)
    state = f"set aside: {one.fault}" if one.fault else "waits"
    return f"{told['item']:>8}  {one.kept_at:%Y-%m-%d %H:%M:%S} UTC  {told['kind']:<10}  {state}"
