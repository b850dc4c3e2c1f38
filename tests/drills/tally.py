"""What must be there afterwards, and what must not."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product
from urllib.parse import quote

from prefsvc.db.away import AWAY
from prefsvc.suppression import SAME_WORD
from tests.drills.caller import Caller
from tests.drills.doors import OptOut
from tests.drills.house import House
from tests.drills.people import BRANDS, WRITTEN_TO, Person
from tests.support.lists import apply_page, read_ndjson

CHANNELS = ("email", "sms")
SETTLING_SECONDS = 60
"""How long what was acknowledged, and its checkpoint, may take to be in the ledger."""
SHOWN_MAX = 10
CHECKED_AT_ONCE = 1000

_LEDGER = """
select brand.slug, event.channel, address.canonical, event.bucket, event.position, event.act,
    event.effect, event.source, event.received_at
from preference_event as event
join brand using (brand_id)
join address using (bucket, address_key)
"""
_UNCOVERED = """
select count(*) from feed_head as head
where position > coalesce(
    (select max(position) from ledger_checkpoint as made
     where (made.bucket, made.brand_id) = (head.bucket, head.brand_id)), 0)
"""


@dataclass(frozen=True, slots=True)
class Row:
    """An event of the ledger."""

    person: Person
    bucket: int
    position: int
    act: str
    effect: str
    source: str
    received_at: datetime


@dataclass
class Tally:
    """What was found wrong, by kind; empty where everything is as it must be."""

    wrong: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def note(self, kind: str, what: object) -> None:
        """Remember something that must not be."""
        self.wrong[kind].append(str(what))

    def count(self, kind: str) -> int:
        """Return how often that was found."""
        return len(self.wrong[kind])

    def __str__(self) -> str:
        """Say it to people, with a few examples of each."""
        return "\n".join(
            f"{kind}: {len(found)}, as {', '.join(found[:SHOWN_MAX])}"
            for kind, found in self.wrong.items()
            if found
        )


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when something was broken."""

    began_at: datetime
    ended_at: datetime

    def meanwhile(self, opt_outs: Iterable[OptOut]) -> list[OptOut]:
        """Return those that began and were acknowledged within it."""
        return [
            one
            for one in opt_outs
            if one.acknowledged_at
            and one.begun_at
            and self.began_at <= one.begun_at
            and one.acknowledged_at <= self.ended_at
        ]


async def tally(caller: Caller, opt_outs: Sequence[OptOut], in_order: Sequence[Span]) -> Tally:
    """Hold the service to every word it gave, and to the order in which it gave some of them."""
    found = Tally()
    ledger = await _settled_ledger(caller.house, opt_outs)
    hold_ledger(found, opt_outs, ledger)
    for span in in_order:
        hold_order(found, span.meanwhile(opt_outs), ledger)
    listed = {row.person for row in ledger}
    said = {one.person for one in opt_outs}
    for brand, channel in product(BRANDS, CHANNELS):
        audience = Audience(caller, brand, channel)
        expected = audience.of(listed)
        await _hold_feed(found, audience, expected)
        await _hold_snapshot(found, audience, expected)
        await _hold_checks(found, audience, audience.of(said), expected)
    await _hold_proof(found, caller.house)
    return found


async def _settled_ledger(house: House, opt_outs: Sequence[OptOut]) -> list[Row]:
    """Read the ledger once all that was acknowledged is in it, or could have been."""
    owed = {one.person for one in opt_outs if one.acknowledged_at}
    rows: list[Row] = []
    try:
        async with asyncio.timeout(SETTLING_SECONDS):
            while not rows or owed - {row.person for row in rows}:
                with suppress(*AWAY):  # it may still be starting again
                    async with house.database() as conn:
                        rows = [_row(*record) for record in await conn.fetch(_LEDGER)]
                await asyncio.sleep(0.05)  # nobody tells when a replay is over
    except TimeoutError:
        pass  # what is missing then is lost
    return rows


def _row(brand: str, channel: str, address: str, *rest: object) -> Row:
    return Row(Person(brand, channel, address), *rest)


def hold_ledger(found: Tally, opt_outs: Sequence[OptOut], ledger: Sequence[Row]) -> None:
    """Find what was lost, doubled, or never said, and what is written down otherwise."""
    rows = defaultdict(list)
    for row in ledger:
        rows[row.person].append(row)
    for one in opt_outs:
        theirs = rows.pop(one.person, [])
        if not theirs and one.acknowledged_at:
            found.note("lost", one.name)
        elif len(theirs) > 1:
            moments = sorted(row.received_at for row in theirs)
            found.note("doubled", f"{one.name} within {moments[-1] - moments[0]}")
        for row in theirs:
            _hold_row(found, one, row)
    for person in rows:
        found.note("never said", person)


def _hold_row(found: Tally, one: OptOut, row: Row) -> None:
    if (row.act, row.effect, row.source) != ("opt_out", "added", one.door.source):
        found.note("told otherwise", f"{one.name} as {row.act}, {row.effect}, {row.source}")
    if one.begun_at and row.received_at < one.begun_at:
        found.note("too early", f"{one.name} by {one.begun_at - row.received_at}")
    # Of the same word twice within a minute, either may be the one that stands.
    allowed = SAME_WORD if one.was_repeated else timedelta(0)
    if one.acknowledged_at and row.received_at > one.acknowledged_at + allowed:
        found.note("too late", f"{one.name} by {row.received_at - one.acknowledged_at}")


def hold_order(found: Tally, opt_outs: Sequence[OptOut], ledger: Sequence[Row]) -> None:
    """Find whoever has a later place than somebody who came when they had been told already."""
    of = {one.person: one for one in opt_outs}
    latest: dict[tuple[str, int], datetime] = {}
    for row in sorted(ledger, key=lambda row: row.position):
        if one := of.get(row.person):
            place = (row.person.brand, row.bucket)
            before = latest.get(place, one.begun_at)
            if before > one.acknowledged_at:
                found.note("out of order", one.name)
            latest[place] = max(before, one.begun_at)


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom a brand writes to on a channel, and who can ask about them."""

    caller: Caller
    brand: str
    channel: str

    def of(self, people: Iterable[Person]) -> set[Person]:
        """Return those among them."""
        return {one for one in people if (one.brand, one.channel) == (self.brand, self.channel)}

    async def ask(self, path: str, body: dict[str, object] | None = None) -> str:
        """Ask the brand's API."""
        octets = None if body is None else json.dumps(body).encode()
        return await self.caller.ask(f"/v1/brands/{self.brand}/{path}", octets)


async def _hold_feed(found: Tally, audience: Audience, expected: set[Person]) -> None:
    """Read a feed from zero; its pages must be dense, or `apply_page` fails."""
    added: Counter[str] = Counter()
    positions: dict[int, int] = {}
    cursor, has_more = "", True
    while has_more:
        after = f"&after={quote(cursor)}" if cursor else ""
        read = json.loads(await audience.ask(f"feed?channel={audience.channel}&limit=1000{after}"))
        try:
            apply_page(read["covers"], read["changes"], positions, {})
        except (AssertionError, KeyError):
            found.note("gaps in the feed", f"{audience.brand} {audience.channel}")
        added.update(change["address"] for change in read["changes"])
        cursor, has_more = read["cursor"], read["has_more"]
    hold_list(found, "the feed", added, expected)


async def _hold_snapshot(found: Tally, audience: Audience, expected: set[Person]) -> None:
    """Read a snapshot; it must prove to be whole, or `read_ndjson` fails."""
    answer = await audience.ask(f"suppressions?channel={audience.channel}")
    lines, _ = read_ndjson(answer.encode())
    hold_list(found, "the snapshot", Counter(line["address"] for line in lines), expected)


def hold_list(found: Tally, where: str, listed: Counter[str], expected: set[Person]) -> None:
    """Find who is missing on a list, who should not be on it, and who is so twice."""
    addresses = {person.address for person in expected}
    for address in addresses ^ listed.keys():
        found.note(f"missing in {where}" if address in addresses else f"only in {where}", address)
    for address, count in listed.items():
        if count > 1:
            found.note(f"doubled in {where}", address)


async def _hold_checks(
    found: Tally, audience: Audience, said: set[Person], suppressed: set[Person]
) -> None:
    """Ask of everybody, and of somebody who never said anything."""
    address = WRITTEN_TO if audience.channel == "sms" else "bystander@example.com"
    everybody = [*said, Person(audience.brand, audience.channel, address)]
    for start in range(0, len(everybody), CHECKED_AT_ONCE):
        some = everybody[start : start + CHECKED_AT_ONCE]
        body = {"channel": audience.channel, "addresses": [person.address for person in some]}
        results = json.loads(await audience.ask("check", body))["results"]
        for person, verdict in zip(some, results, strict=True):
            if verdict["may_send"] != (person not in suppressed):
                kind = "not suppressed" if verdict["may_send"] else "suppressed without a word"
                found.note(kind, person.address)


async def _hold_proof(found: Tally, house: House) -> None:
    """Have all of the ledger signed for, and verified."""
    if not await _is_covered(house):
        found.note("not signed for", "the ledger's last rows")
    code, said = await house.command_line("ledger", "verify")
    if code:
        found.note("not verified", said)


async def _is_covered(house: House) -> bool:
    """Say whether checkpoints cover the whole ledger, soon."""
    try:
        async with asyncio.timeout(SETTLING_SECONDS), house.database() as conn:
            while await conn.fetchval(_UNCOVERED):  # noqa: ASYNC110 - a row
                await asyncio.sleep(0.05)
    except TimeoutError:
        return False
    return True
