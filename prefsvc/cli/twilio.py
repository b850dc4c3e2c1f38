"""`prefsvc twilio`: how far Twilio has been told of opt-outs, and telling again what failed."""

from argparse import Namespace
from collections.abc import Iterator
from datetime import datetime

from prefsvc.brands import AppliedBrand
from prefsvc.cli.context import Commands, with_service
from prefsvc.consents import backlog, lanes
from prefsvc.consents.backlog import AccountBacklog, TargetBacklog, Waiting
from prefsvc.consents.pace import Estimate
from prefsvc.doors import Service
from prefsvc.settings import Settings


def add_to(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("twilio", help="see how far Twilio has been told of opt-outs")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    status = actions.add_parser("status", help="say what waits, what failed, and until when")
    status.add_argument("brand", nargs="?", help="only this brand")
    status.set_defaults(run=_status)
    retry = actions.add_parser("retry", help="tell again what failed for good")
    retry.add_argument("brand", nargs="?", help="only of this brand")
    retry.set_defaults(run=_retry)


def _status(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> list[str]:
        lines: list[str] = []
        for brand in await _brands(service, given):
            async with service.database.read() as tx:
                found = await backlog.of_brand(tx, settings, service.book, brand)
            if found:
                has_token = bool(service.vault.twilio_credentials(found.account.name))
                lines += _lines(brand.slug, found, has_token=has_token)
        return lines

    lines = with_service(settings, work)
    print("\n".join(lines) or "Twilio is told of no opt-outs: no brand's file has an account.")
    return 0


def _retry(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> int:
        count = 0
        for brand in await _brands(service, given):
            async with service.database.transaction() as tx:
                count += await backlog.retry(tx, settings, brand)
        return count

    print(f"To be told again: {with_service(settings, work)}.")
    return 0


async def _brands(service: Service, given: Namespace) -> list[AppliedBrand]:
    if given.brand:
        return [await service.brand(given.brand)]
    return lanes.told_brands(service.book)


def _lines(slug: str, found: AccountBacklog, *, has_token: bool) -> Iterator[str]:
    account = found.account
    yield f"{slug}  {account.name}  {_state(found, has_token=has_token)}"
    yield f"  fresh     {_lane(found.fresh, found.fresh_estimate)}"
    yield f"  backfill  {_lane(found.backfill, found.backfill_estimate)}"
    for error, count in found.errors:
        yield f"  failed    {count}: {error}"
    for one in found.targets:
        yield f"  {one.target}  {_target(one)}"


def _state(found: AccountBacklog, *, has_token: bool) -> str:
    account = found.account
    if not has_token:
        return f"no token: add {account.name}:TOKEN to PREFSVC_TWILIO_AUTH_TOKENS"
    if account.failing_since:
        return f"failing since {_moment(account.failing_since)}: {account.failing_how}"
    if account.answered_at:
        return f"last answered {_moment(account.answered_at)}"
    return "not told anything yet"


def _lane(waiting: Waiting, estimate: Estimate | None) -> str:
    if estimate is None or not waiting.count:
        return "nothing waits"
    due = f", the first deadline {_moment(waiting.next_deadline_at)}"
    return (
        f"{waiting.row_count} wait, {waiting.position_count} positions to be read; "
        f"through by {_moment(estimate.through_at)}"
        f"{due if waiting.next_deadline_at else ''}"
        f"{', WHICH MAY BE MISSED' if estimate.may_miss_deadline else ''}"
    )


def _target(one: TargetBacklog) -> str:
    since = f" since {_moment(one.oldest_at)}" if one.oldest_at else ""
    count = one.fresh.count + one.backfill.count
    return f"{count} at the most wait{since}, {one.failed_count} failed"


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else ""
