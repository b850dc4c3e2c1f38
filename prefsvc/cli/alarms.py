"""`prefsvc alarms`: which alarms were raised."""

from argparse import Namespace

from prefsvc import alarms, senders
from prefsvc.alarms import Alarm
from prefsvc.cli.context import Commands, with_service
from prefsvc.doors import Service
from prefsvc.settings import Settings

SHOWN_DEFAULT = 20


def add_to(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("alarms", help="see which alarms were raised")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser("list", help="list a brand's alarms, the newest first")
    show.add_argument("brand")
    show.add_argument("--sender", help="only those of this sender")
    show.add_argument("--limit", type=int, default=SHOWN_DEFAULT, help="the most alarms (20)")
    show.set_defaults(run=_list)


def _list(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> list[Alarm]:
        brand = await service.brand(given.brand)
        async with service.database.read() as tx:
            sender = await senders.find(tx, brand, given.sender) if given.sender else None
            size = max(given.limit, 0)
            return await alarms.page(tx, brand, sender=sender, after=None, size=size)

    lines = [_line(one) for one in with_service(settings, work)]
    print("\n".join(lines) or "No alarm was raised yet.")
    return 0


def _line(alarm: Alarm) -> str:
    told = alarm.details
    case = f"  case {told['case_id']}" if "case_id" in told else ""
    about = told["sender"] or f"{told['origin']} ({told['mail_count']} mails)"
    return f"{alarm.raised_at:%Y-%m-%d %H:%M} UTC  {about}  {told['step']}{case}"
