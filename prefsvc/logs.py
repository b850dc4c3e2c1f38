"""Logs: one JSON event a line, with an event name and ids; never an address, token or free text."""

import logging
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

import msgspec
import structlog
from typing_extensions import override

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request that is being answered; every event logged meanwhile carries it."""


def configure(level: str) -> None:
    """Send everything, other libraries' warnings too, to standard error as JSON lines."""
    number = logging.getLevelNamesMapping()[level.upper()]
    lines = structlog.BytesLogger(sys.stderr.buffer)
    structlog.configure(
        processors=[
            _with_request_id,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Foreign()], level=max(number, logging.WARNING), force=True)


def _with_request_id(
    _logger: Any, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    if (request_id := REQUEST_ID.get()) is not None:
        event["request_id"] = request_id
    return event


def _json(event: MutableMapping[str, Any], **_: Any) -> bytes:
    # A line for every request: the standard library's encoder takes three times as long.
    return msgspec.json.encode(event, enc_hook=repr)


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
