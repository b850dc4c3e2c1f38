"""How many files, which connections are too, this process may have open."""

import structlog

log = structlog.get_logger()


def allow_many() -> None:
    """Raise the limit to what this system allows us, for every connection is a file.

    A sandbox may forbid even to ask (systemd's @resources); then the limit was set there.
    """
    import resource  # noqa: PLC0415 - not on every platform

    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:
        log.info("file_limit_kept", kind=type(error).__name__)
