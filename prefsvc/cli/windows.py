"""`prefsvc windows`: which rules there are, and how a deadline is counted; nothing is recorded."""

import json
import re
from argparse import Namespace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from prefsvc import app, honour
from prefsvc.brand import Brand
from prefsvc.cli.context import Commands, with_service
from prefsvc.country import parse_country
from prefsvc.doors import Service
from prefsvc.errors import BrandRefusal, InvalidParameter, UnreadableMoment
from prefsvc.honour import (
    CHANNELS_AND_PURPOSES,
    MATTERS,
    Deadline,
    Matter,
    Moments,
    Promise,
    Reckoning,
    Rule,
)
from prefsvc.settings import Settings

_YEARS: Final = range(1970, 3000)
_NOON: Final = time(12)
_DOMAIN: Final = re.compile(r"(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]+")


def add_to(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("windows", help="show the rules, and how deadlines are counted")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    explain = actions.add_parser("explain", help="count one deadline and say how; record nothing")
    explain.add_argument(
        "--brand", required=True, metavar="SLUG|FILE.toml", help="an applied brand, or a file"
    )
    explain.add_argument("--channel", required=True, choices=MATTERS, help="what it is about")
    explain.add_argument(
        "--at",
        required=True,
        metavar="MOMENT",
        help="when it was received: 2026-11-20T17:20, in the brand's zone unless an offset follows;"
        " a day alone means its noon",
    )
    explain.add_argument("--sent-at", metavar="MOMENT", help="when it was said, if known")
    explain.add_argument("--country", help="where the recipient is, if known: US, NZ ...")
    explain.add_argument("--domain", help="the domain of their mailbox, if known: gmail.com")
    explain.add_argument("--json", action="store_true", help="one object, for programs")
    explain.set_defaults(run=_explain)
    listing = actions.add_parser("list", help="show every rule with its source")
    listing.set_defaults(run=_list)


def _explain(settings: Settings, given: Namespace) -> int:
    brand = _brand(settings, given.brand)
    deadline = _deadline(brand, given)
    if given.json:
        print(json.dumps(_document(brand, given.channel, deadline), indent=2, ensure_ascii=False))
    else:
        print(deadline.explain())
    return 0


def _brand(settings: Settings, name: str) -> Brand:
    """Read a brand's file, which needs no database; or find the applied brand of this name."""
    if name.endswith(".toml"):
        if not Path(name).is_file():
            raise BrandRefusal(f"{name}: there is no such file")
        [brand] = app.read_brands([Path(name)])
        return brand

    async def work(service: Service) -> Brand:
        return (await service.brand(name)).brand

    return with_service(settings, work)


def _deadline(brand: Brand, given: Namespace) -> Deadline:
    received_at = _moment(given.at, brand.time_zone)
    sent_at = _moment(given.sent_at, brand.time_zone) if given.sent_at else None
    if sent_at and sent_at > received_at:
        raise UnreadableMoment("Nothing is received before it was sent: --sent-at is after --at.")
    return honour.deadline(
        honour.rules_of(brand.rules),
        _promise(brand, given.channel),
        Moments(sent_at=sent_at, received_at=received_at, recorded_at=received_at),
        channel=given.channel,
        recipient_domain=_domain(given.domain),
        time_zone=brand.time_zone,
        country=parse_country(given.country) if given.country is not None else None,
    )


def _promise(brand: Brand, about: Matter) -> Promise | None:
    return next((brand.promise(one) for one in CHANNELS_AND_PURPOSES if one == about), None)


def _domain(text: str | None) -> str | None:
    if text is None or _DOMAIN.fullmatch(text):
        return text
    raise InvalidParameter("--domain is the domain of a mailbox, like gmail.com.")


def _moment(text: str, time_zone: str) -> datetime:
    """Read a moment, in the brand's zone where it names no offset; a day alone means its noon."""
    try:
        at = datetime.combine(date.fromisoformat(text), _NOON)
    except ValueError:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise UnreadableMoment from None
    if at.year not in _YEARS:
        raise UnreadableMoment
    return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(time_zone))).astimezone(UTC)


def _document(brand: Brand, about: Matter, deadline: Deadline) -> dict[str, object]:
    """Return it for programs; moments bear the brand's offset, so that their day is the lawful."""
    zone = ZoneInfo(deadline.time_zone)
    return {
        "brand": brand.slug,
        "channel": about,
        "statutory": _in(zone, deadline.statutory_at),
        "conservative": _in(zone, deadline.conservative_at),
        "target": _in(zone, deadline.target_at) if deadline.target_at else None,
        "set_by": deadline.set_by,
        "country": deadline.country,
        "added": list(deadline.added),
        "dropped": list(deadline.dropped),
        "time_zone": deadline.time_zone,
        "calendar": deadline.calendar,
        "rules": [_rule_document(one, zone) for one in deadline.reckonings],
        "explanation": deadline.explain().splitlines(),
    }


def _rule_document(one: Reckoning, zone: ZoneInfo) -> dict[str, object]:
    return {
        "id": one.id,
        "title": one.title,
        "source": one.source,
        "window": one.window.written,
        "counted_from": one.counted_from,
        "started_at": _in(zone, one.started_at),
        "first_day_counts": one.first_day_counts,
        "ends": one.ends,
        "holidays": one.holidays,
        "skipped": {day.isoformat(): name for day, name in one.skipped},
        "statutory": _in(zone, one.statutory_at),
        "statutory_day": one.statutory_day.isoformat(),
        "conservative": _in(zone, one.conservative_at),
        "conservative_day": one.conservative_day.isoformat(),
        "explanation": honour.sentence(one),
    }


def _in(zone: ZoneInfo, at: datetime) -> str:
    return at.astimezone(zone).isoformat()


def _list(_: Settings, __: Namespace) -> int:
    for rule in honour.load_rules().values():
        print(f"{rule.id}  {_window(rule)}  ({', '.join(sorted(rule.about))}{_where(rule)})")
        print(f"    {rule.title}. {rule.source}")
    return 0


def _window(rule: Rule) -> str:
    counted = "" if not rule.first_day_counts else ", the first day counts"
    return f"{rule.window.written} from {honour.start_in_words(rule.counted_from)}{counted}"


def _where(rule: Rule) -> str:
    where = sorted(rule.countries) or sorted(rule.recipient_domains)
    return f"; {' '.join(where)}" if where else ""
