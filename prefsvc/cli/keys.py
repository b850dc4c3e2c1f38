"""`prefsvc keys`: API keys, shown once, stored as digests."""

import sys
from argparse import Namespace

from prefsvc import api_keys, senders
from prefsvc.cli.context import Commands, with_service
from prefsvc.db import queries
from prefsvc.doors import Service
from prefsvc.settings import Settings


def add_to(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("keys", help="create, list and revoke API keys")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a key and print it, this once")
    create.add_argument("--brand", help="the brand it is for; without one, an operator's for all")
    create.add_argument("--sender", help="the sender it is for; without one, an operator's")
    create.add_argument("--label", default="", help="a note to tell keys apart")
    create.set_defaults(run=_create)
    actions.add_parser("list", help="list keys, without their secrets").set_defaults(run=_list)
    revoke = actions.add_parser("revoke", help="revoke a key, at once")
    revoke.add_argument("key", help="the key's id: the 12 characters after psk_")
    revoke.set_defaults(run=_revoke)


def _create(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> str:
        brand = await service.brand(given.brand) if given.brand else None
        async with service.database.transaction() as tx:
            sender = await senders.find(tx, brand, given.sender) if brand and given.sender else None
            return await api_keys.create(tx, label=given.label, brand=brand, sender=sender)

    if given.sender and not given.brand:
        print("prefsvc: --sender needs --brand, whose sender it is.", file=sys.stderr)
        return 2
    print(with_service(settings, work))
    return 0


def _list(settings: Settings, _: Namespace) -> int:
    async def work(service: Service) -> list[str]:
        async with service.database.read() as tx:
            return [_line(row) for row in await queries.api_keys(tx.conn)]

    print("\n".join(with_service(settings, work)) or "There is no key yet.")
    return 0


def _line(row: queries.ApiKeysRow) -> str:
    whose = "/".join(part for part in (row.brand or "every brand", row.sender) if part)
    state = f"revoked {row.revoked_at:%Y-%m-%d %H:%M}" if row.revoked_at else "works"
    made = f"made {row.created_at:%Y-%m-%d}"
    return f"{row.api_key_id}  {row.role}  {whose}  {made}  {state}  {row.label}"


def _revoke(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> None:
        await service.revoke_key(given.key)

    with_service(settings, work)
    print("Revoked.")
    return 0
