"""`prefsvc serve`: the service, with its own PostgreSQL unless it is given one."""

import asyncio
import signal
import socket
import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import structlog
from aiohttp import web

from prefsvc import app, engine
from prefsvc.cli import welcome
from prefsvc.cli.context import Commands, vault_of
from prefsvc.doors import Service
from prefsvc.engine import Engine
from prefsvc.errors import AddressInUse, BrandRefusal
from prefsvc.mailbox import listener as mailbox
from prefsvc.settings import Settings
from prefsvc.vault import Vault
from prefsvc.web.protocol import Runner

log = structlog.get_logger()


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("serve", help="run the service until told to stop")
    parser.set_defaults(run=serve)


def serve(settings: Settings, _: Namespace) -> int:
    """Serve until SIGTERM or SIGINT; then finish what was begun and stop."""
    with _listening(settings) as listener, _database(settings) as (dsn, running):
        bound = settings.model_copy(update={"port": listener.getsockname()[1]})
        vault = vault_of(settings)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(bound, vault, dsn, running, listener))
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the faster event loop where there is one."""
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """Take the port first: if it is taken, nothing else need start."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            raise AddressInUse(
                f"Cannot listen on {settings.host}:{settings.port} ({error.strerror}). Stop what "
                "listens there, or set PREFSVC_HOST and PREFSVC_PORT."
            ) from error
        yield listener


@contextmanager
def _database(settings: Settings) -> Iterator[tuple[str, Engine | None]]:
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value(), None
        return
    with engine.running(
        settings.data_dir,
        bindir=settings.pg_bindir,
        start_timeout_seconds=settings.engine_start_timeout_seconds,
    ) as running:
        yield running.dsn, running


async def _serve(
    settings: Settings, vault: Vault, dsn: str, running: Engine | None, listener: socket.socket
) -> None:
    stop = _stop_signal()
    async with app.opened(settings, vault, dsn) as service, _watched(running, stop):
        first_brands = await _apply_brands(service, is_embedded=running is not None)
        async with _site(service, listener), mailbox.listening(service):
            # The greeting shows a link and a key: for a terminal here, not for a server's log.
            if running is not None and settings.is_local:
                await welcome.say(service, first_brands)
            log.info("serving", origin=settings.origin, pid_of_postgresql=running and running.pid)
            await stop.wait()
            log.info("stopping")
            service.stopping.set()


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


@asynccontextmanager
async def _watched(running: Engine | None, stop: asyncio.Event) -> AsyncIterator[None]:
    """Start the embedded PostgreSQL again when it dies; stop the service if it keeps dying."""
    if running is None:
        yield
        return
    done = asyncio.Event()
    watching = asyncio.create_task(running.watch(done), name="engine")
    watching.add_done_callback(lambda _: stop.set())
    try:
        yield
    finally:
        done.set()
        await watching


@asynccontextmanager
async def _site(service: Service, listener: socket.socket) -> AsyncIterator[None]:
    settings = service.settings
    runner = Runner(
        app.build(service),
        access_log=None,
        handle_signals=False,
        shutdown_timeout=settings.shutdown_grace_seconds,
        max_line_size=settings.header_bytes_max,
        max_field_size=settings.header_bytes_max,
        handler_cancellation=False,
    )
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()


async def _apply_brands(service: Service, *, is_embedded: bool) -> bool:
    """Apply the configured brand files; a new embedded installation gets the examples."""
    folder = service.settings.brands_dir
    is_new = is_embedded and not service.book.by_slug
    if folder is None and not is_new:
        return False
    files = sorted((folder or examples()).glob("*.toml"))
    if not files:
        raise BrandRefusal(f"PREFSVC_BRANDS_DIR ({folder}) has no *.toml file.")
    for applied in await app.apply_brands(service, files):
        if applied.changes:
            log.info("brand_applied", brand=applied.slug, changes=len(applied.changes))
    return is_new


def examples() -> Path:
    """Find the example brands: inside the installed package, or beside it in a checkout."""
    package = Path(sys.modules["prefsvc"].__path__[0])
    installed = package / "examples" / "brands"
    return installed if installed.is_dir() else package.parent / "deploy" / "brands"
