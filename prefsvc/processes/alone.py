"""One process that serves, and runs the embedded PostgreSQL itself."""

import asyncio

import structlog

from prefsvc import app, metrics
from prefsvc.engine import Engine
from prefsvc.processes import embedded, files, serving, signals, welcome
from prefsvc.processes.sockets import Sockets, listening
from prefsvc.settings import Settings
from prefsvc.vault import Vault, open_vault

log = structlog.get_logger()


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; then finish what was begun and stop."""
    settings = files.allow_many(settings)
    with listening(settings) as sockets, embedded.database(settings) as running:
        bound = settings.model_copy(update={"port": sockets.port})
        vault = open_vault(settings, make_missing=running is not None)
        with asyncio.Runner(loop_factory=serving.loop_factory()) as runner:
            runner.run(_serve(bound, vault, running, sockets))
    return 0


async def _serve(
    settings: Settings, vault: Vault, running: Engine | None, sockets: Sockets
) -> None:
    stop = signals.stop()
    signals.on_hang_up(stop, lambda: log.warning("restart_needs_workers"))
    dsn = embedded.dsn(settings, running)
    async with (
        app.opened(settings, vault, dsn, is_patient=running is None) as service,
        embedded.watched(running, stop),
    ):
        first_brands = await serving.apply_brands(service, is_embedded=running is not None)
        async with serving.doors(service, sockets):
            # The greeting shows a link and a key: for a terminal here, not for a server's log.
            if running is not None and settings.is_local:
                await welcome.say(service, first_brands)
            metrics.WORKERS.set(1)
            log.info("serving", origin=settings.origin, pid_of_postgresql=running and running.pid)
            await stop.wait()
            log.info("stopping")
