"""Put the service together: the only place that knows everything."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from prefsvc import brands, installation, logs, reckonings
from prefsvc.bounded import Deadline
from prefsvc.brand import Brand
from prefsvc.brands import Applied
from prefsvc.db.away import AWAY
from prefsvc.db.connection import Clock, Database, PlainConnection, Tx, connect, single, wall_clock
from prefsvc.db.lanes import Lane, Lanes
from prefsvc.db.migrate import migrate
from prefsvc.doors import SERVICE, Service
from prefsvc.errors import BrandRefusal, DatabaseUnreachable, OtherDatabase
from prefsvc.mail_events.certificates import SNS, Sns
from prefsvc.mail_events.webhook import post_mail_events
from prefsvc.settings import Settings
from prefsvc.sms.routes import SMS_ROUTES
from prefsvc.spool import known
from prefsvc.spool.known import Known
from prefsvc.vault import Vault
from prefsvc.web.manners import MANNERS, Manners, manners, tell
from prefsvc.web.problems import problems
from prefsvc.web.requests import DEADLINE, LOG, requests, sign, time_limit
from prefsvc.web.routes import ROUTES, SLASHED
from prefsvc.work import loops

log = structlog.get_logger()

MAIL_ROUTES = [web.post("/hooks/mail/{provider}/{source}", post_mail_events)]


@asynccontextmanager
async def opened(
    settings: Settings,
    vault: Vault,
    dsn: str,
    *,
    clock: Clock = wall_clock,
    is_patient: bool = False,
) -> AsyncIterator[Service]:
    """Migrate the database, recognise the installation and open the service for the block.

    Where the database cannot be used that was there before, a patient service is opened by what is
    known of it, keeps opt-outs in the spool, and does the rest when the database is there.
    """
    async with database(settings, dsn, clock=clock, is_open=False) as db:
        service = await _by_the_database(settings, vault, db, is_patient=is_patient)
        try:
            yield service
        finally:
            service.spool.close()


async def _by_the_database(
    settings: Settings, vault: Vault, db: Database, *, is_patient: bool
) -> Service:
    """Return the service by what is in the database, or where it may be, by what was."""
    try:
        found = await _found(settings, vault, db)
    except (DatabaseUnreachable, *AWAY) as error:
        may_come = is_patient and not isinstance(error.__cause__, ValueError)
        before = known.kept(settings.spool_folder, vault) if may_come else None
        if before is None:
            raise
        kind = type(error.__cause__ or error).__name__
        log.error("started_without_database", kind=kind)  # noqa: TRY400 - its text says more
        return _without_it(settings, vault, db, before)
    service = Service(settings, db, vault, found.installation, found.book, found.book_version)
    service.there.set()
    await db.open()
    return service


def _without_it(settings: Settings, vault: Vault, db: Database, before: Known) -> Service:
    service = Service(settings, db, vault, before.installation, before.book, before.book_version)
    service.spool.note(is_away=True)
    service.put_off.append(partial(_catch_up, service))
    return service


async def _catch_up(service: Service) -> None:
    """Do what a start with the database does, now that it answers; then it can be used."""
    found = await _found(service.settings, service.vault, service.database)
    if found.installation.installation_id != service.installation.installation_id:
        raise OtherDatabase
    service.installation = found.installation
    service.book, service.book_version = found.book, found.book_version
    await service.database.open()


async def _found(settings: Settings, vault: Vault, db: Database) -> Known:
    """Migrate the database, recognise the installation and read its brands."""
    async with reached(settings, db.dsn) as conn:
        for name in await migrate(conn):
            log.info("migrated", migration=name)
        async with conn.transaction(isolation="read_committed"):
            tx = Tx(conn, db.clock(), db.bases)
            recognised = await installation.recognise(tx, vault)
            version = await brands.version(tx)
            book = await brands.load(tx, vault.token_masters)
            await reckonings.learn(tx)
    return Known(recognised, book, version)


@asynccontextmanager
async def reached(settings: Settings, dsn: str) -> AsyncIterator[PlainConnection]:
    """Open one connection, or refuse with what an operator can look at."""
    async with AsyncExitStack() as stack:
        seconds = settings.connect_timeout_seconds
        try:
            conn = await stack.enter_async_context(single(dsn, connect_timeout_seconds=seconds))
        except (*AWAY, ValueError) as error:  # the latter is of what is no URL at all
            # Which kind it is says enough; the driver's own words may repeat the URL.
            raise DatabaseUnreachable(
                f"The database cannot be reached ({type(error).__name__}): check "
                "PREFSVC_DATABASE_URL, that the server runs and that it lets us in."
            ) from error
        yield conn


@asynccontextmanager
async def database(
    settings: Settings, dsn: str, *, clock: Clock = wall_clock, is_open: bool = True
) -> AsyncIterator[Database]:
    """Make the pool with the settings' limits; unless it `is_open`, to be opened later."""
    async with connect(
        dsn,
        pool_size=settings.pool_size,
        connect_timeout_seconds=settings.connect_timeout_seconds,
        statement_timeout_seconds=settings.statement_timeout_seconds,
        lock_timeout_seconds=settings.lock_timeout_seconds,
        lanes=_lanes(settings),
        clock=clock,
        is_open=is_open,
    ) as db:
        yield db


def _lanes(settings: Settings) -> Lanes:
    sizes: dict[Lane, int] = {
        "intake": settings.pool_size,
        "lists": settings.pool_lists_max,
        "streams": settings.pool_streams_max,
        "loops": settings.pool_loops_max,
        "rest": settings.pool_rest_max,
    }
    waiting_max: dict[Lane, int] = dict.fromkeys(sizes, settings.pool_waiting_max)
    waiting_max["intake"] = settings.pool_waiting_intake_max
    waiting_max["loops"] = settings.pool_waiting_intake_max  # they are few, and bounded themselves
    return Lanes(sizes, waiting_max, timeout_seconds=settings.connect_timeout_seconds)


def build(service: Service) -> web.Application:
    """Return the application; its loops run while it does."""
    app = web.Application(middlewares=[requests, problems, manners, time_limit])
    app[SERVICE] = service
    app[SNS] = Sns()
    app[LOG] = logs.logger_of("request")
    app[MANNERS] = Manners(service.settings)
    app[DEADLINE] = Deadline(service.settings.request_timeout_seconds)
    app.add_routes([*ROUTES, *SLASHED, *SMS_ROUTES, *MAIL_ROUTES])
    app.cleanup_ctx.append(_loops)
    app.on_shutdown.append(_let_go)
    app.on_response_prepare.append(sign)
    app.on_response_prepare.append(tell)
    return app


async def _loops(app: web.Application) -> AsyncIterator[None]:
    service = app[SERVICE]
    running = asyncio.create_task(loops.run(service), name="loops")
    yield
    service.stop()
    await running


async def _let_go(app: web.Application) -> None:
    """Answer the polls that wait, so that stopping need not wait for them."""
    app[SERVICE].stop()


async def apply_brands(service: Service, read: Sequence[Brand]) -> list[Applied]:
    """Apply brand files that were read, all or none, and use them at once."""
    async with service.database.transaction() as tx:
        applied = await brands.apply(tx, read)
    await service.refresh_book()
    return applied


def read_brands(brand_files: Sequence[Path]) -> list[Brand]:
    """Read brand files; what is wrong in any of them is said about all of them at once."""
    read: list[Brand] = []
    wrong: list[str] = []
    for file in brand_files:
        try:
            read.append(Brand.from_toml(file.read_text("utf-8"), file=file.name))
        except BrandRefusal as refusal:
            wrong += refusal.problems
        except UnicodeDecodeError:
            wrong.append(f"{file.name}: not UTF-8 text")
    if wrong:
        raise BrandRefusal(problems=wrong)
    return read
