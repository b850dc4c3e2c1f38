"""Reading a list to its end and recording it on the way; what was read before a failure stays."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.errors import ImportDiffers, Refusal
from prefsvc.imports import register
from prefsvc.imports.reading import Read, Reader
from prefsvc.imports.register import Counts, Import
from prefsvc.imports.rows import Refused, Row, Why
from prefsvc.imports.taking import Taker
from prefsvc.pace import Pace

_STEPS_A_ROW = 10


@dataclass(slots=True)
class Refusals:
    """The refused rows of one list: counted all, kept the first of them, handed on each."""

    kept_max: int
    hand_on: Callable[[Refused], None] | None = None
    counts: Counts = field(default_factory=Counter)
    unkept: list[tuple[int, Why]] = field(default_factory=list)
    """The lines of those that are to be kept and are not yet, and why."""

    def add(self, one: Refused) -> None:
        """Take one more."""
        if self.counts.total() < self.kept_max:
            self.unkept.append((one.line, one.why))
        self.counts[one.why] += 1
        if self.hand_on:
            self.hand_on(one)

    async def keep(self, tx: Tx, one: Import) -> None:
        """Keep those that are new."""
        new, self.unkept = self.unkept, []
        await queries.keep_import_refusals(
            tx.conn,
            rows=[
                queries.KeepImportRefusalsIn(import_id=one.import_id, line=line, why=why)
                for line, why in new
            ],
        )


@dataclass(slots=True)
class Run:
    """One reading of a list, from its first line."""

    reader: Reader
    taker: Taker
    refusals: Refusals
    rows_at_once: int
    on_part: Callable[[], None] = lambda: None
    """Called whenever a part was read."""

    async def all_of(self, pieces: AsyncIterator[bytes]) -> None:
        """Read it all, and record it, or at least what was read before it broke off."""
        try:
            async for piece in pieces:
                await self._take(self.reader.feed(piece))
                self.on_part()
            await self._take(self.reader.end())
        except ImportDiffers:
            raise
        except Refusal:
            await self._flush()
            raise
        finally:
            await self.taker.settle()
        await self._flush()
        await self.taker.settle()
        self.on_part()

    async def _take(self, every: Iterator[Read]) -> None:
        pace = Pace()
        for one in every:
            if isinstance(one, Row):
                self.taker.add(one)
            else:
                self.refusals.add(one)
            if self.taker.count >= self.rows_at_once:
                await self._flush()
            await pace.after(_STEPS_A_ROW)

    async def _flush(self) -> None:
        if not self.reader.is_proven:
            return  # what waits is of a part that may yet turn out to be another list's
        await self.taker.settle()
        if not self.taker.is_dry and (self.taker.count or self.refusals.unkept):
            async with self.taker.writing() as tx:
                await register.note_read(tx, self.taker.one.import_id, self.reader.reached)
                await self.refusals.keep(tx, self.taker.one)
        self.taker.begin()

    async def finish(self) -> None:
        """Note that it was read to its end."""
        async with self.taker.writing() as tx:
            await register.finish(
                tx,
                self.taker.one.import_id,
                self.reader.reached,
                refused=self.refusals.counts,
                notes=self.taker.notes,
            )
