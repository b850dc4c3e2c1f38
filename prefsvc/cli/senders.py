"""`prefsvc senders`: the programs that send, and how far each has heard."""

from argparse import Namespace

from prefsvc import api_keys, senders
from prefsvc.address import CHANNELS
from prefsvc.cli.context import Commands, with_service
from prefsvc.doors import Service
from prefsvc.senders import Standing
from prefsvc.settings import Settings


def add_to(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("senders", help="add senders and see what they owe")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    add = actions.add_parser("add", help="add a sender and make its first API key")
    add.add_argument("brand")
    add.add_argument("sender", help="its name: lower-case letters, digits and dashes")
    add.add_argument("--channel", choices=CHANNELS, required=True)
    add.set_defaults(run=_add)
    show = actions.add_parser("list", help="list a brand's senders and what each owes")
    show.add_argument("brand")
    show.set_defaults(run=_list)
    retire = actions.add_parser("retire", help="retire a sender for good; its keys stop working")
    retire.add_argument("brand")
    retire.add_argument("sender")
    retire.set_defaults(run=_retire)


def _add(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> str:
        brand = await service.brand(given.brand)
        async with service.database.transaction() as tx:
            sender = await senders.add(tx, brand, given.sender, given.channel)
            return await api_keys.create(tx, label=given.sender, brand=brand, sender=sender)

    print(f"API key of {given.sender}, shown this once:\n{with_service(settings, work)}")
    return 0


def _list(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> list[str]:
        brand = await service.brand(given.brand)
        async with service.database.read() as tx:
            every = await senders.standings(tx, service.obligations, brand)
            return [_line(one) for one in every]

    print("\n".join(with_service(settings, work)) or "This brand has no sender yet.")
    return 0


def _retire(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> None:
        brand = await service.brand(given.brand)
        await service.retire_sender(brand, given.sender)

    with_service(settings, work)
    print("Retired.")
    return 0


def _line(standing: Standing) -> str:
    sender, owed = standing.sender, standing.owed
    heard = f"{sender.acknowledged_at:%Y-%m-%d %H:%M} UTC" if sender.acknowledged_at else "never"
    due = f", next due {owed.deadline_at:%Y-%m-%d %H:%M} UTC" if owed.deadline_at else ""
    state = standing.state.replace("_", " ")
    return f"{sender.slug}  {sender.channel}  {state}  acknowledged {heard}  owes {owed.count}{due}"
