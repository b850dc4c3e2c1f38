"""Floods of removals by mail from one origin: an alarm, once for each, and no block (RULES E-34).

A flood's spell is a row that the first process makes, in the transaction of the alarm and its
notices. It is told to those who hear of every sender, for it is about none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from prefsvc import deliveries, endpoints
from prefsvc.alarm_words import ALARM_TYPES, detail_of
from prefsvc.brands import AppliedBrand
from prefsvc.db import queries
from prefsvc.db.connection import Json, Tx
from prefsvc.deliveries import Notice
from prefsvc.origins import Seen


@dataclass(frozen=True, slots=True)
class Flood:
    """Removals by mail from one origin, for which nobody vouches."""

    origin: str
    mail_count: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Busy:
    """An origin from which much comes, or came: then nothing is counted any more."""

    brand_id: int
    flood: Flood
    spell_id: UUID | None
    """Of the flood that was told."""


async def count(tx: Tx, counts: Mapping[Seen, int], *, window: timedelta) -> None:
    """Add what one process has counted to what all have, and forget what is too old."""
    await queries.count_origins(
        tx.conn,
        rows=[
            queries.CountOriginsIn(
                brand_id=seen.brand_id, origin=seen.origin, minute=seen.minute, mail_count=count
            )
            for seen, count in sorted(counts.items())
        ],
    )
    await queries.forget_origins(tx.conn, before=tx.now - window)


async def busy(tx: Tx, *, window: timedelta, at_least: int) -> Sequence[Busy]:
    """Return from where so many have come within the window, and what was told before."""
    since = tx.now - window
    rows = await queries.busy_origins(tx.conn, since=since, at_least=at_least)
    return [
        Busy(row.brand_id, Flood(row.origin, row.mail_count, since), row.spell_id) for row in rows
    ]


async def begin(tx: Tx, brand: AppliedBrand, flood: Flood) -> bool:
    """Raise the one alarm of a flood; say whether it is new."""
    spell_id, alarm_id = uuid4(), uuid4()
    begun = await queries.begin_flood(
        tx.conn,
        brand_id=brand.brand_id,
        origin=flood.origin,
        spell_id=spell_id,
        began_at=tx.now,
    )
    if begun is None:
        return False
    details = _details(brand, alarm_id, flood)
    await queries.raise_flood(
        tx.conn,
        alarm_id=alarm_id,
        brand_id=brand.brand_id,
        spell_id=spell_id,
        raised_at=tx.now,
        details=details,
    )
    listening = await endpoints.listening(tx, brand.brand_id, "alarm")
    to_all = [one for one in listening if one.sender_id is None]
    await deliveries.enqueue(tx, to_all, Notice(ALARM_TYPES["mail_flood"], tx.now, details))
    return True


async def end(tx: Tx, ebbed: Busy) -> None:
    """End the spell of a flood; the next one is told again."""
    if ebbed.spell_id is not None:
        await queries.end_flood(
            tx.conn,
            brand_id=ebbed.brand_id,
            origin=ebbed.flood.origin,
            spell_id=ebbed.spell_id,
        )


def _details(brand: AppliedBrand, alarm_id: UUID, flood: Flood) -> dict[str, Json]:
    return {
        "alarm_id": alarm_id,
        "brand": brand.slug,
        "sender": None,
        "channel": "email",
        "step": "mail_flood",
        "detail": detail_of("mail_flood"),
        "acknowledged_at": None,
    } | asdict(flood)
