"""Logs: one JSON event a line, with an event name and ids; never an address, token or free text."""

import logging
import sys
from typing import Any

import structlog
from typing_extensions import override


def configure(level: str) -> None:
    """Send everything, other libraries' warnings too, to standard error as JSON lines."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Foreign()], level=max(number, logging.WARNING), force=True)


class _Foreign(logging.Handler):
    """Other libraries' records: where and how bad, not what. Their texts may repeat a request."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Log that there was one."""
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        where = f"{record.module}:{record.lineno}"
        fields: dict[str, Any] = {"logger": record.name, "where": where}
        if record.name.startswith("prefsvc.engine"):
            fields["message"] = record.getMessage()  # speaks of processes, never of requests
        structlog.get_logger().log(record.levelno, "library", kind=kind, **fields)
