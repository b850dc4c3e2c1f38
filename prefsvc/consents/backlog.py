"""How far Twilio has been told: what waits, what failed, and by when it will be through.

Positions of the feed that were not read yet count as if each held an opt-out from texts, so an
estimate is never too early but for what is recorded after it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from prefsvc.brands import AppliedBrand, BrandBook
from prefsvc.consents import lanes, pace
from prefsvc.consents.lanes import Lanes
from prefsvc.consents.pace import Estimate
from prefsvc.cursor import Cursor
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.settings import Settings
from prefsvc.suppressions import head


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in a lane: rows, positions that were not read yet, the earliest deadline."""

    row_count: int = 0
    position_count: int = 0
    next_deadline_at: datetime | None = None
    """Among the rows, and only where it could still be kept when the row was made."""
    put_off_until: datetime | None = None
    """Before when the last of the rows is not told, for Twilio did not take it."""

    @property
    def count(self) -> int:
        """Return how many items this is at the most."""
        return self.row_count + self.position_count


@dataclass(frozen=True, slots=True)
class TargetBacklog:
    """What waits and what failed at a target."""

    target: str
    fresh: Waiting
    backfill: Waiting
    failed_count: int = 0
    oldest_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """How an account's requests went."""

    name: str
    next_request_at: datetime | None = None
    answered_at: datetime | None = None
    failing_since: datetime | None = None
    failing_how: str | None = None


@dataclass(frozen=True, slots=True)
class AccountBacklog:
    """What waits and what failed for an account, of one brand or of all that share it."""

    account: Account
    targets: Sequence[TargetBacklog]
    fresh_estimate: Estimate | None = None
    backfill_estimate: Estimate | None = None
    errors: Sequence[tuple[str, int]] = field(default=())
    """What Twilio said of what failed, and how often."""

    @property
    def fresh(self) -> Waiting:
        """Return what waits in all fresh lanes."""
        return _together(one.fresh for one in self.targets)

    @property
    def backfill(self) -> Waiting:
        """Return what waits in all backfill lanes."""
        return _together(one.backfill for one in self.targets)

    @property
    def failed_count(self) -> int:
        """Return how many failed."""
        return sum(one.failed_count for one in self.targets)

    @property
    def oldest_at(self) -> datetime | None:
        """Return since when the oldest row waits."""
        return min((one.oldest_at for one in self.targets if one.oldest_at), default=None)


def by_account(brands: Iterable[AppliedBrand]) -> dict[str, list[AppliedBrand]]:
    """Sort brands under the accounts that are told for them."""
    found: dict[str, list[AppliedBrand]] = defaultdict(list)
    for brand in brands:
        if account := brand.brand.sms.twilio_account:
            found[account].append(brand)
    return found


async def accounts(tx: Tx, settings: Settings, book: BrandBook) -> list[AccountBacklog]:
    """Return what waits for each account, of all its brands together."""
    return [
        await _of_account(tx, settings, account, brands)
        for account, brands in by_account(lanes.told_brands(book)).items()
    ]


async def of_brand(
    tx: Tx, settings: Settings, book: BrandBook, brand: AppliedBrand
) -> AccountBacklog | None:
    """Return what waits for a brand; None where Twilio is told nothing for it.

    Its account may have other brands: they share the pace, so the estimates count them all.
    """
    account = brand.brand.sms.twilio_account
    sharing = by_account(lanes.told_brands(book)).get(account or "", ())
    if account is None or all(one.brand_id != brand.brand_id for one in sharing):
        return None
    whole = await _of_account(tx, settings, account, sharing)
    return AccountBacklog(
        whole.account,
        await _targets(tx, brand),
        whole.fresh_estimate,
        whole.backfill_estimate,
        await _errors(tx, brand),
    )


async def retry(tx: Tx, settings: Settings, brand: AppliedBrand) -> int:
    """Have told again what failed for a brand; return how many."""
    return await queries.retry_consents(
        tx.conn, brand_id=brand.brand_id, now=tx.now, size=settings.twilio_retries_max
    )


async def _of_account(
    tx: Tx, settings: Settings, name: str, brands: Sequence[AppliedBrand]
) -> AccountBacklog:
    row = await queries.twilio_account(tx.conn, account=name)
    account = (
        Account(name, row.next_request_at, row.answered_at, row.failing_since, row.failing_how)
        if row
        else Account(name)
    )
    targets = [one for brand in brands for one in await _targets(tx, brand)]
    fresh = _together(one.fresh for one in targets)
    backfill = _together(one.backfill for one in targets)
    begins_at = max(tx.now, account.next_request_at or tx.now)
    seconds = settings.twilio_request_seconds
    return AccountBacklog(
        account,
        targets,
        _estimate(begins_at, seconds, fresh),
        _estimate(begins_at, seconds, backfill, before=fresh.count),
    )


def _estimate(
    begins_at: datetime, seconds: float, waiting: Waiting, *, before: int = 0
) -> Estimate | None:
    """Estimate when a lane is through, before which so many items of another go."""
    if not waiting.count:
        return None
    count = before + waiting.count
    return pace.estimate(begins_at, count, seconds, waiting.next_deadline_at, waiting.put_off_until)


async def _targets(tx: Tx, brand: AppliedBrand) -> list[TargetBacklog]:
    end = await head(tx, brand)
    known = await lanes.read(tx, brand)
    rows = {
        row.target: row for row in await queries.consent_backlog(tx.conn, brand_id=brand.brand_id)
    }
    return [
        _target(name, _lanes(known.get(name), end), end, rows.get(name))
        for name in brand.brand.twilio_targets
    ]


def _lanes(known: Lanes | None, end: Cursor) -> Lanes:
    """Return where a target's lanes are; those of another history begin anew."""
    return known if known and known.origin.epoch == end.epoch else Lanes.beginning(end)


def _target(
    name: str, at: Lanes, end: Cursor, row: queries.ConsentBacklogRow | None
) -> TargetBacklog:
    fresh, backfill = _between(at.fresh, end), _between(at.backfill, end)
    if row is None:
        return TargetBacklog(name, Waiting(0, fresh), Waiting(0, backfill))
    return TargetBacklog(
        name,
        Waiting(row.fresh_count, fresh, row.fresh_deadline_at, row.fresh_put_off_until),
        Waiting(row.backfill_count, backfill, row.backfill_deadline_at, row.backfill_put_off_until),
        row.failed_count,
        row.oldest_at,
    )


def _between(place: Cursor, end: Cursor) -> int:
    return sum(end.positions) - sum(place.positions)


def _together(every: Iterable[Waiting]) -> Waiting:
    found = list(every)
    deadlines = [one.next_deadline_at for one in found if one.next_deadline_at]
    put_off = [one.put_off_until for one in found if one.put_off_until]
    return Waiting(
        sum(one.row_count for one in found),
        sum(one.position_count for one in found),
        min(deadlines, default=None),
        max(put_off, default=None),
    )


async def _errors(tx: Tx, brand: AppliedBrand) -> list[tuple[str, int]]:
    rows = await queries.consent_errors(
        tx.conn, brand_id=brand.brand_id, targets=list(brand.brand.twilio_targets)
    )
    return [(row.error, row.consent_count) for row in rows]
