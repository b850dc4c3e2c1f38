"""`prefsvc endpoints`: where notices go."""

from argparse import Namespace
from datetime import UTC, datetime
from uuid import UUID

from prefsvc import delivery_log, endpoints, senders
from prefsvc.cli.context import Commands, with_service
from prefsvc.doors import Service
from prefsvc.endpoints import EVENT_KINDS, Endpoint, Wanted
from prefsvc.outward.guard import checked_url
from prefsvc.outward.mail import checked_mailbox
from prefsvc.settings import Settings

_EVER = datetime(1970, 1, 1, tzinfo=UTC)


def add_to(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("endpoints", help="say where notices go, and send them again")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    add = actions.add_parser("add", help="add a webhook or mailbox; a webhook's secret is shown")
    add.add_argument("brand")
    where = add.add_mutually_exclusive_group(required=True)
    where.add_argument("--url", help="the https URL that notices are posted to")
    where.add_argument("--mail", help="the mailbox that alarms are sent to")
    add.add_argument("--events", choices=EVENT_KINDS, nargs="+", default=["alarm"])
    add.add_argument("--sender", help="only what concerns this sender; otherwise every sender")
    add.add_argument("--with-addresses", action="store_true", help="put addresses into changes")
    add.set_defaults(run=_add)
    show = actions.add_parser("list", help="list a brand's endpoints")
    show.add_argument("brand")
    show.set_defaults(run=_list)
    remove = actions.add_parser("remove", help="remove an endpoint and all on its way there")
    replay = actions.add_parser("replay", help="send off again what failed")
    for one in (remove, replay):
        one.add_argument("brand")
        one.add_argument("endpoint", type=UUID, help="its id, as `endpoints list` shows it")
    replay.add_argument("--since", type=_moment, default=_EVER, help="a moment with its offset")
    remove.set_defaults(run=_remove)
    replay.set_defaults(run=_replay)


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("no offset")  # argparse says which argument it is about
    return at


def _add(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> tuple[Endpoint, str | None]:
        brand = await service.brand(given.brand)
        target = (
            await checked_url(settings, given.url)
            if given.url
            else checked_mailbox(settings, given.mail)
        )
        async with service.database.transaction() as tx:
            sender = await senders.find(tx, brand, given.sender) if given.sender else None
            wanted = Wanted(
                "webhook" if given.url else "mail",
                target,
                tuple(given.events),
                sender.sender_id if sender else None,
                given.with_addresses,
            )
            return await endpoints.add(tx, service.vault, settings, brand, wanted)

    made, secret = with_service(settings, work)
    print(f"Added {made.endpoint_id}.")
    if secret:
        print(f"Its secret, shown this once:\n{secret}")
    return 0


def _list(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> list[str]:
        brand = await service.brand(given.brand)
        async with service.database.read() as tx:
            names = {one.sender_id: one.slug for one in await senders.every(tx, brand)}
            found = await endpoints.every(tx, brand)
        return [_line(one, names[one.sender_id] if one.sender_id else None) for one in found]

    print("\n".join(with_service(settings, work)) or "This brand has no endpoint yet.")
    return 0


def _line(one: Endpoint, sender: str | None) -> str:
    state = f"disabled: {one.disabled_why}" if one.disabled_why else "works"
    events = ",".join(one.events)
    whose = sender or "every sender"
    return f"{one.endpoint_id}  {one.kind}  {one.target}  {events}  {whose}  {state}"


def _remove(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> None:
        brand = await service.brand(given.brand)
        async with service.database.transaction() as tx:
            await endpoints.remove(tx, await endpoints.find(tx, brand, given.endpoint))

    with_service(settings, work)
    print("Removed.")
    return 0


def _replay(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> int:
        brand = await service.brand(given.brand)
        async with service.database.transaction() as tx:
            endpoint = await endpoints.find(tx, brand, given.endpoint)
            return await delivery_log.replay_failed(
                tx, endpoint, given.since, at_most=settings.replays_at_once_max
            )

    count = with_service(settings, work)
    print(f"Sent off again: {count}.")
    return 0
