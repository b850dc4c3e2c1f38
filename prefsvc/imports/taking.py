"""Recording what a list says, bucket by bucket, each row once.

The rows of a part of the list are sorted by bucket, and each bucket is a transaction of its own: it
holds one head, for as long as a few hundred rows take, and nobody's click waits longer than that.
The mark of how far the import has come in the bucket moves in the same transaction.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from prefsvc import metrics, opt_outs
from prefsvc.act import Act
from prefsvc.address import Channel, address_key
from prefsvc.brands import AppliedBrand
from prefsvc.country import known_country
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.imports import register
from prefsvc.imports.register import Counts, Import, Place
from prefsvc.imports.rows import Row
from prefsvc.opt_outs import Recorded
from prefsvc.pace import Pace
from prefsvc.recipients import Recipient
from prefsvc.scopes import scope_of
from prefsvc.suppression import Reason, Scope, ScopeKind
from prefsvc.vault import Vault

NEW: Final = "new"
KNOWN: Final = "known"
"""The same was suppressed already, or stood in the list before."""
LIFTED: Final = "lifted_since"
"""The person opted in later than this: it is on record, and suppresses nothing."""
OUTCOMES: Final = (NEW, KNOWN, LIFTED)

Writing = Callable[[], AbstractAsyncContextManager[Tx]]
_STEPS_A_ROW: Final = 20  # of a pace: a row takes that many times what a verdict does
_EVERYTHING: Final = frozenset({"*", "all", "global"})


@dataclass(slots=True)
class Scopes:
    """Understands what rows are about, by what the brand has today."""

    brand: AppliedBrand
    _known: dict[tuple[Channel, ScopeKind | None, str | None, Reason], tuple[Scope, bool]] = field(
        default_factory=dict
    )

    def of(self, row: Row) -> tuple[Scope, bool]:
        """Return the scope, and whether it became wider for want of its topic."""
        key = (row.channel, row.scope, row.topic, row.reason)
        if key not in self._known:
            if len(self._known) >= 4096:  # noqa: PLR2004 - a list may have a topic a row
                self._known.clear()
            scope, is_wider = self._found(row)
            self._known[key] = (Scope.of(row.reason, scope), is_wider)
        return self._known[key]

    def _found(self, row: Row) -> tuple[Scope, bool]:
        if row.scope not in {None, "topic"}:
            return Scope(row.scope or "channel"), False
        if row.topic is None:
            return Scope("channel"), row.scope == "topic"
        if row.topic.casefold() in _EVERYTHING:
            return Scope("channel"), False
        scope = scope_of(self.brand, row.channel, "topic", self._slug(row.topic))
        return scope, scope.kind != "topic"

    def _slug(self, topic: str) -> str:
        """Return the slug of the topic that is called so, in a file or to people."""
        name = topic.casefold()
        called = [one.slug for one in self.brand.brand.topics if one.name.casefold() == name]
        return next(iter(called), name)


@dataclass(slots=True, kw_only=True)
class Taker:
    """Records one import's rows; those of each bucket in their order, of several at once."""

    writing: Writing
    vault: Vault
    brand: AppliedBrand
    one: Import
    places: dict[int, Place]
    is_dry: bool = False
    at_once: int = 2
    notes: Counts = field(default_factory=Counter)
    _scopes: Scopes = field(init=False)
    _waiting: defaultdict[int, list[Row]] = field(default_factory=lambda: defaultdict(list))
    _going: "asyncio.Task[None] | None" = None
    count: int = 0
    """How many rows wait to be recorded."""

    def __post_init__(self) -> None:
        """Make what depends on the brand."""
        self._scopes = Scopes(self.brand)

    @property
    def counts(self) -> Counts:
        """Return what came of the rows so far."""
        total: Counts = Counter()
        for place in self.places.values():
            total.update(place.counts)
        return total

    def add(self, row: Row) -> None:
        """Let a row wait for its bucket's turn, unless it is recorded already."""
        if row.note:
            self.notes[row.note] += 1
        if row.topic and self._scopes.of(row)[1]:
            self.notes["topic_unknown"] += 1
        if row.line > self.places[row.bucket].line:
            self._waiting[row.bucket].append(row)
            self.count += 1

    def begin(self) -> None:
        """Begin to record what waits, while more is read; what was begun before has its end."""
        waiting, self._waiting, self.count = self._waiting, defaultdict(list), 0
        if waiting:
            self._going = asyncio.create_task(self._take(dict(sorted(waiting.items()))))

    async def settle(self) -> None:
        """Wait until what was begun is recorded."""
        going, self._going = self._going, None
        if going:
            await going

    async def _take(self, waiting: dict[int, list[Row]]) -> None:
        places = asyncio.Semaphore(self.at_once)

        async def one(bucket: int, rows: Sequence[Row]) -> None:
            async with places:
                await self._bucket(bucket, rows)

        try:
            async with asyncio.TaskGroup() as group:
                for bucket, rows in waiting.items():
                    group.create_task(one(bucket, rows))
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None  # the others are what came of it

    async def _bucket(self, bucket: int, rows: Sequence[Row]) -> None:
        acts, pace = [], Pace()
        for row in rows:
            acts.append(self._act(row))
            await pace.after(_STEPS_A_ROW)
        before = self.places[bucket]
        async with self.writing() as tx:
            if self.is_dry:
                outcomes = await _foreseen(tx, acts)
            else:
                outcomes = [_outcome(one) for one in await opt_outs.record(tx, self.vault, acts)]
            counts = Counter(
                f"{act.recipient.channel} {outcome}"
                for act, outcome in zip(acts, outcomes, strict=True)
            )
            after = Place(rows[-1].line, before.counts + counts)
            if not self.is_dry:
                await register.move(tx, self.one.import_id, bucket, before, after)
        self.places[bucket] = after
        if not self.is_dry:
            _measure(counts)

    def _act(self, row: Row) -> Act:
        scope, _ = self._scopes.of(row)
        sealed = None if row.address else self.vault.seal_sha256(row.address_key, row.sha256)
        return Act(
            self.brand,
            Recipient(row.address_key, row.channel, row.address, sealed),
            scope,
            "import",
            {"import": str(self.one.import_id), "line": row.line} | row.told,
            reason=row.reason,
            sent_at=row.said_at,
            # A row that says no time counts from when its import began, however often it resumes.
            received_at=row.received_at or row.said_at or self.one.begun_at,
            country=known_country(row.country.upper()) if row.country else None,
        )


def _outcome(recorded: Recorded) -> str:
    if recorded.stood_before:
        return KNOWN
    return NEW if recorded.effect == "added" else LIFTED


async def _foreseen(tx: Tx, acts: Sequence[Act]) -> list[str]:
    """Say what would come of acts of one bucket; two alike in one part of the list count once."""
    [(bucket, brand_id)] = {act.place for act in acts}
    keys = sorted({act.recipient.address_key for act in acts})
    standing: dict[object, tuple[bool, datetime | None]] = {
        (row.address_key, row.channel, row.scope, row.topic, row.reason): (row.active, row.said_at)
        for row in await queries.states(
            tx.conn, bucket=bucket, brand_id=brand_id, address_keys=keys
        )
    }
    outcomes = []
    for act in acts:
        whom, scope = act.recipient, act.scope
        slot = (whom.address_key, whom.channel, scope.kind, scope.topic, act.reason)
        active, said_at = standing.get(slot, (False, None))
        at = min(act.sent_at or tx.now, act.received_at or tx.now)
        is_late = said_at is not None and at < said_at
        outcomes.append(KNOWN if active else LIFTED if is_late else NEW)
        if not is_late:
            standing[slot] = (True, at)
    return outcomes


def _measure(counts: Counts) -> None:
    for name, count in counts.items():
        channel, _, outcome = name.partition(" ")
        is_new = str(outcome != KNOWN).lower()
        metrics.OPT_OUTS.labels(channel, "import", is_new).inc(count)


def key_of(vault: Vault) -> Callable[[Channel, bytes], bytes]:
    """Return what gives the address key of a SHA-256."""
    pepper = vault.pepper
    return lambda channel, sha256: address_key(pepper, channel, sha256)
