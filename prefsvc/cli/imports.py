"""`prefsvc import`: take over the opt-outs that a company has already, from a file."""

import asyncio
import hashlib
import os
import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Final, TypeVar, get_args

from prefsvc import app
from prefsvc.address import CHANNELS
from prefsvc.brands import AppliedBrand
from prefsvc.cli.context import Commands, dsn_of, vault_of, who
from prefsvc.cli.import_shares import Job, Told, take, take_by_several
from prefsvc.cli.progress import Progress
from prefsvc.doors import Service
from prefsvc.errors import ImportDiffers, InvalidParameter, UnknownBrand, UnreadableImport
from prefsvc.imports import register
from prefsvc.imports.columns import COLUMNS
from prefsvc.imports.given import REASONS, check_name, reading_of
from prefsvc.imports.moments import DayOrder
from prefsvc.imports.register import Import
from prefsvc.imports.rows import Reading
from prefsvc.imports.taking import OUTCOMES
from prefsvc.settings import Settings
from prefsvc.suppression import ScopeKind

T = TypeVar("T")

_STDIN: Final = "-"
_PROCESSES_MAX: Final = 4
_OCTETS_FOR_SEVERAL: Final = 4 << 20
"""A file smaller than this is done before further processes have started."""


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "import",
        help="import opt-outs from a file: CSV or NDJSON, also gzipped; never lifts anything",
        epilog="Run again after a kill it goes on where it stopped. docs/import.md has the rest.",
    )
    parser.add_argument("file", help="the list; - is standard input")
    parser.add_argument("--brand", help="whose opt-outs they are; needed where there are several")
    _add_meanings(parser)
    _add_forms(parser)
    parser.add_argument("--name", help="the import's name; by default the file's digest")
    parser.add_argument("--by", help="who imports it (the account that runs this)")
    parser.add_argument("--refused", type=Path, metavar="OUT.csv", help="where refused rows go")
    parser.add_argument("--dry-run", action="store_true", help="only say what would come of it")
    parser.add_argument(
        "--processes",
        type=int,
        help=f"how many work at it (as many as cores, up to {_PROCESSES_MAX})",
    )
    parser.set_defaults(run=_import)


def _add_meanings(parser: ArgumentParser) -> None:
    of = parser.add_argument_group("what the list leaves open")
    of.add_argument("--channel", choices=CHANNELS, help="which channel it is about")
    of.add_argument("--scope", choices=get_args(ScopeKind), help="what the opt-outs cover")
    of.add_argument("--topic", help="the topic they are about, where a row names none")
    of.add_argument("--reason", choices=REASONS, default="opt_out", help="why, by default")
    of.add_argument(
        "--all-opted-out", action="store_true",
        help="everybody in it opted out, though no column says so",
    )  # fmt: skip
    of.add_argument("--time-zone", default="UTC", help="of times that name none (UTC)")
    of.add_argument("--dates", choices=get_args(DayOrder), help="how to read 03/04/2024")


def _add_forms(parser: ArgumentParser) -> None:
    of = parser.add_argument_group("how it is written, where that is not plain")
    of.add_argument("--format", choices=("csv", "ndjson"))
    of.add_argument("--encoding", help="by default UTF-8, or line by line Windows-1252")
    of.add_argument("--delimiter", help="what separates columns; \\t is a tab")
    of.add_argument("--header", help="the names of columns that the file lacks: address,said_at")
    of.add_argument(
        "--column", action="append", default=[], metavar="COLUMN=NAME",
        help=f"what a column is called, or, with no name, that there is none: {', '.join(COLUMNS)}",
    )  # fmt: skip


def _reading(given: Namespace) -> Reading:
    return reading_of(
        {
            "format": given.format,
            "encoding": given.encoding,
            "delimiter": "\t" if given.delimiter == "\\t" else given.delimiter,
            "header": given.header,
            "channel": given.channel,
            "scope": given.scope,
            "topic": given.topic,
            "reason": given.reason,
            "time_zone": given.time_zone,
            "dates": given.dates,
        },
        columns=dict(_column(one) for one in given.column),
        all_opted_out=given.all_opted_out,
    )


def _column(text: str) -> tuple[str, str]:
    column, sign, name = text.partition("=")
    if not sign:
        raise InvalidParameter("Name a column as --column address=E-Mail.")
    return column, name


def _import(settings: Settings, given: Namespace) -> int:
    reading = _reading(given)
    path = _path(given)
    with dsn_of(settings) as dsn:
        brand, one, job = _with_service(
            settings, dsn, lambda service: _begun(service, given, reading, path, dsn)
        )
        if one and one.finished_at and not (given.name or given.refused):
            print(f"This was imported already, on {one.finished_at:%Y-%m-%d %H:%M} UTC:")
            told = _with_service(settings, dsn, lambda service: _as_it_was(service, one))
        else:
            told = _taken(job, given)
            if one and one.finished_at and told.reached != one.reached:
                raise ImportDiffers
            if not job.is_dry:
                _with_service(settings, dsn, lambda service: _finish(service, brand, job, told))
    _say(told, job)
    return 1 if told.refused else 0


def _with_service(
    settings: Settings, dsn: str, work: Callable[[Service], Coroutine[None, None, T]]
) -> T:
    async def run() -> T:
        async with app.opened(settings, vault_of(settings), dsn) as service:
            return await work(service)

    return asyncio.run(run())


def _path(given: Namespace) -> Path | None:
    """Return where the list is; None for standard input."""
    if given.file == _STDIN:
        return None
    path = Path(given.file)
    if not path.exists() or path.is_dir():
        raise UnreadableImport(f"{path}: there is no such file")
    if given.refused and given.refused.exists() and given.refused.samefile(path):
        raise UnreadableImport("Refused rows would overwrite the list itself; name another file.")
    return path


async def _begun(
    service: Service, given: Namespace, reading: Reading, path: Path | None, dsn: str
) -> tuple[AppliedBrand, Import | None, Job]:
    brand = await _brand(service, given.brand)
    name = check_name(given.name) if given.name else _name(path, reading)
    job = Job(service.settings, dsn, brand.slug, name, reading, path, given.refused, given.dry_run)
    if job.is_dry:
        return brand, None, job
    async with service.database.transaction() as tx:
        return brand, await register.begin(tx, brand, name, reading, by=who(given)), job


async def _brand(service: Service, slug: str | None) -> AppliedBrand:
    if slug:
        return await service.brand(slug)
    every = list(service.book.by_slug.values())
    if len(every) != 1:
        raise UnknownBrand("Say whose opt-outs they are, as --brand NAME.")
    return every[0]


def _name(path: Path | None, reading: Reading) -> str:
    """Return the name of a file that was given none; what comes once only has none to return to."""
    if path is None or not path.is_file():
        return f"once-{os.urandom(16).hex()}"
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise UnreadableImport(f"{path}: {error.strerror}") from None
    return register.name_of(digest, reading)


def _taken(job: Job, given: Namespace) -> Told:
    size = job.path.stat().st_size if job.path and job.path.is_file() else None
    progress = Progress("lines", size)
    count = given.processes or min(os.cpu_count() or 1, _PROCESSES_MAX)
    is_small = size is None or (given.processes is None and size < _OCTETS_FOR_SEVERAL)

    def tell(told: Told) -> None:
        progress.show(told.octets, told.lines)

    try:
        return take(job, tell) if is_small or count == 1 else take_by_several(job, count, tell)
    finally:
        progress.clear()


async def _finish(service: Service, brand: AppliedBrand, job: Job, told: Told) -> None:
    async with service.database.transaction() as tx:
        one = await register.find(tx, brand, job.name)
        if told.reached:
            await register.finish(
                tx, one.import_id, told.reached, refused=told.refused, notes=told.notes
            )


async def _as_it_was(service: Service, one: Import) -> Told:
    async with service.database.read() as tx:
        counts = await register.counts(tx, one.import_id)
    return Told(0, one.reached[0], one.reached, counts, Counter(one.notes), Counter(one.refused))


def _say(told: Told, job: Job) -> None:
    """Print what came of it: by channel, what was refused and why, what else is to be known."""
    for channel in CHANNELS:
        counts = {name: told.counts[f"{channel} {name}"] for name in OUTCOMES}
        if any(counts.values()):
            print(
                f"{channel}: "
                + ", ".join(f"{n:,} {_WORDS[name]}" for name, n in counts.items() if n)
            )
    for why, count in told.refused.most_common():
        print(f"refused: {count:,} {why}")
    for note, count in told.notes.most_common():
        print(f"note: {count:,} {_WORDS[note]}")
    if job.is_dry:
        print("Nothing was recorded (dry run).")
    elif told.refused and job.refused_path is None:
        print("Name a file with --refused to see the rows that were refused.", file=sys.stderr)


_WORDS: Final = {
    "new": "new",
    "known": "known already",
    "lifted_since": "older than the person's own opt-in, which stands",
    "without_time": "without a time: they count from when this import began",
    "unreadable_time": "with a time that cannot be read: they count from when this import began",
    "topic_unknown": "of a topic that the brand does not have: they count for the whole channel",
}
