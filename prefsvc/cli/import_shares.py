"""Importing one list, by one process or several.

Of several each reads the whole file and records its share of the buckets: so a bucket's rows are
recorded in their order, and no two processes wait for the same head. Their parent shows how far
they are; when it is gone, they end with the part that they are at.
"""

import asyncio
import csv
import multiprocessing
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import BinaryIO, Final

from prefsvc import app, logs
from prefsvc.cli.context import vault_of
from prefsvc.cursor import BUCKET_COUNT
from prefsvc.db.away import AWAY
from prefsvc.doors import Service
from prefsvc.errors import ImportBrokenOff, Refusal
from prefsvc.imports import register
from prefsvc.imports.reading import Reached, Reader
from prefsvc.imports.register import Counts
from prefsvc.imports.rows import Reading, Refused, Share
from prefsvc.imports.running import Refusals, Run
from prefsvc.imports.taking import Taker, key_of
from prefsvc.settings import Settings

PIECE_BYTES: Final = 1 << 17
ROWS_A_BUCKET: Final = 256
"""About how many rows of a bucket are recorded in one go; its head is held for as long."""

Writer = Callable[[Reader, Refused], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What is imported, and which share of it."""

    settings: Settings
    dsn: str
    brand: str
    name: str
    reading: Reading
    path: Path | None
    """None is what standard input brings."""
    refused_path: Path | None
    is_dry: bool
    number: int = 0
    of: int = 1


@dataclass(slots=True)
class Told:
    """How far a process has read; at its end, what it found, or why it ended before."""

    octets: int = 0
    lines: int = 0
    reached: Reached | None = None
    counts: Counts = field(default_factory=Counter)
    notes: Counts = field(default_factory=Counter)
    refused: Counts = field(default_factory=Counter)
    refusal: Refusal | None = None


Tell = Callable[[Told], None]


def take(job: Job, tell: Tell) -> Told:
    """Import a share in this process."""
    try:
        with _opened(job.path) as source:
            return asyncio.run(_take(job, source, tell))
    except AWAY as error:
        raise ImportBrokenOff from error


def take_by_several(job: Job, count: int, tell: Tell) -> Told:
    """Import it by so many processes."""
    context = multiprocessing.get_context("spawn")  # a fork would share this one's sockets
    ends, processes = [], []
    try:
        for number in range(count):
            here, there = context.Pipe(duplex=False)
            share = replace(job, number=number, of=count)
            process = context.Process(target=_child, args=(share, there), daemon=True)
            process.start()
            there.close()
            ends.append(here)
            processes.append(process)
        return _together(_listen(ends, tell))
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _listen(ends: list[Connection], tell: Tell) -> list[Told]:
    """Hear how far the processes are, until each has told of its end."""
    latest = [Told() for _ in ends]
    going = dict(enumerate(ends))
    while going:
        for end in wait(list(going.values())):
            number = next(n for n, each in going.items() if each is end)
            try:
                told: Told = going[number].recv()
            except EOFError:
                raise ImportBrokenOff from None
            if told.refusal:
                raise told.refusal
            latest[number] = told
            if told.reached:
                del going[number]
            tell(min(latest, key=lambda one: one.octets))
    return latest


def _together(ended: list[Told]) -> Told:
    """Sum up the shares; refused rows are of none, so the first process tells of them all."""
    first = ended[0]
    counts: Counts = Counter()
    notes: Counts = Counter()
    for one in ended:
        counts.update(one.counts)
        notes.update(one.notes)
    return replace(first, counts=counts, notes=notes)


def _child(job: Job, end: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the parent ends us
    logs.configure(job.settings.log_level)
    try:
        end.send(take(job, end.send))
    except Refusal as refusal:
        end.send(Told(refusal=refusal))
    except BrokenPipeError:  # nobody is listening: the parent was killed
        sys.exit(1)


async def _take(job: Job, source: BinaryIO, tell: Tell) -> Told:
    async with app.opened(job.settings, vault_of(job.settings), job.dsn) as service:
        with _refused_rows(job) as writer:
            run = await _run(service, job, writer)
            told = Told()

            async def pieces() -> AsyncIterator[bytes]:
                while piece := source.read(PIECE_BYTES):
                    told.octets += len(piece)
                    yield piece

            def on_part() -> None:
                told.lines = run.reader.line
                tell(told)

            run.on_part = on_part
            await run.all_of(pieces())
        told.reached = run.reader.reached
        told.counts, told.notes = run.taker.counts, run.taker.notes
        told.refused = Counter(run.refusals.counts)
        return told


async def _run(service: Service, job: Job, writer: Writer | None) -> Run:
    brand = await service.brand(job.brand)
    async with service.database.read() as tx:
        if job.is_dry:
            one = register.foreseen(tx, brand, job.name, job.reading)
        else:
            one = await register.find(tx, brand, job.name)
        places = await register.places(tx, one.import_id)
    is_read_only = job.is_dry or one.finished_at is not None
    taker = Taker(
        writing=service.database.read if is_read_only else partial(service.writing, brand),
        vault=service.vault,
        brand=brand,
        one=one,
        places={b: place for b, place in places.items() if b % job.of == job.number},
        is_dry=is_read_only,
    )
    expected = one.reached if one.reached[0] else None
    reader = Reader(job.reading, Share(key_of(service.vault), job.number, job.of), expected)
    kept_max = 0 if job.number else service.settings.import_refusals_kept_max
    refusals = Refusals(kept_max, partial(writer, reader) if writer else None)
    return Run(reader, taker, refusals, ROWS_A_BUCKET * BUCKET_COUNT // job.of)


@contextmanager
def _opened(path: Path | None) -> Iterator[BinaryIO]:
    if path is None:
        yield sys.stdin.buffer
        return
    with path.open("rb") as source:
        yield source


@contextmanager
def _refused_rows(job: Job) -> Iterator[Writer | None]:
    """Yield what writes a refused row to its file, under the list's own names of columns."""
    if job.refused_path is None or job.number:
        yield None
        return
    with job.refused_path.open("w", newline="", encoding="utf-8") as out:
        job.refused_path.chmod(0o600)  # it holds addresses
        writer = csv.writer(out)
        is_begun = False

        def write(reader: Reader, one: Refused) -> None:
            nonlocal is_begun
            if not is_begun:
                writer.writerow(["line", "refused", *(reader.header or ["row"])])
                is_begun = True
            writer.writerow([one.line, one.why, *one.fields])

        yield write
