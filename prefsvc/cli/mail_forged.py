"""`prefsvc mail forged`: taking back what forged mail has put, and nothing else."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from prefsvc.brands import AppliedBrand
from prefsvc.cli.context import who, with_service
from prefsvc.doors import Service
from prefsvc.forgeries import Finding
from prefsvc.settings import Settings
from prefsvc.taking_back import TakenBack, selection, take_back

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_to(actions: "_SubParsersAction[ArgumentParser]") -> None:
    """Add it to the actions of `prefsvc mail`."""
    forged = actions.add_parser(
        "forged", help="take back what mail that nobody vouches for has put, where it is forged"
    )
    forged.add_argument("--since", type=_moment, required=True, help="from when (ISO 8601; UTC)")
    forged.add_argument("--until", type=_moment, help="until when; by default now")
    forged.add_argument("--origin", help="only mail of this host or domain, as the alarm names it")
    forged.add_argument("--brand", help="only this brand's; by default every brand's")
    forged.add_argument("--dry-run", action="store_true", help="say what it would do")
    forged.add_argument("--note", help="what else there is to say")
    forged.add_argument("--by", help="who says that they are forged (the account that runs this)")
    forged.set_defaults(run=_run)


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError("write it as in 2026-03-02T09:00:00+00:00") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _run(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> list[tuple[str, TakenBack]]:
        until = given.until or service.now()
        selected = selection(given.since, until, given.origin, now=service.now())
        finding = Finding(selected, uuid4(), who(given), given.note)
        return [
            (
                brand.slug,
                await take_back(service, brand, finding, dry_run=given.dry_run),
            )
            for brand in await _brands(service, given.brand)
        ]

    found = [(slug, done) for slug, done in with_service(settings, work) if done.requests]
    lines = [_line(slug, done, dry_run=given.dry_run) for slug, done in found]
    print("\n".join(lines) or "There is no such mail.")
    return 0


async def _brands(service: Service, slug: str | None) -> Sequence[AppliedBrand]:
    return [await service.brand(slug)] if slug else list(service.book.by_slug.values())


def _line(slug: str, done: TakenBack, *, dry_run: bool) -> str:
    lifted = "would be lifted" if dry_run else "lifted"
    return (
        f"{slug}: {done.requests} requests by mail; {done.lifted} suppressions {lifted}, "
        f"{done.kept} stay as they are"
    )
