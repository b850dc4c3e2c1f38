"""How many files, which connections are too, this process may have open."""

from typing import Final

import structlog

from prefsvc.settings import Settings

log = structlog.get_logger()


FILES_MAX: Final = 1 << 16
"""More than connections need; a larger table of them slows whatever walks through it."""
_OTHERS: Final = 128
"""Files that are no HTTP connections: those to the database and outward, logs, libraries."""


def allow_many(settings: Settings) -> Settings:
    """Raise the limit to what is allowed us, for every connection is a file; stay below it.

    A sandbox may forbid even to ask (systemd's @resources); then the limit was set there.
    """
    import resource  # noqa: PLC0415 - not on every platform

    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if 0 <= soft < FILES_MAX:
            soft = FILES_MAX if hard < 0 else min(hard, FILES_MAX)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    except (OSError, ValueError) as error:
        log.info("file_limit_unknown", kind=type(error).__name__)
        return settings
    most = max(1, soft - _OTHERS - settings.connections_per_process)
    if most >= settings.connections_max or soft < 0:
        return settings
    log.warning("few_files", files_max=soft, connections_max=most)
    return settings.model_copy(update={"connections_max": most})
