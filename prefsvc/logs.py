"""Logs: one JSON event a line, with an event name and ids; never an address, token or free text.

What is logged in one turn of the event loop goes out in one write at its end, for every request has
a line; what is a warning or worse goes out at once, and so does all that waits before it.
"""

import asyncio
import atexit
import logging
import sys
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from threading import Lock
from typing import Any, BinaryIO

import msgspec
import structlog
from typing_extensions import override

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request that is being answered; every event logged meanwhile carries it."""


def configure(level: str) -> None:
    """Send everything, other libraries' warnings too, to standard error as JSON lines."""
    number = logging.getLevelNamesMapping()[level.upper()]
    lines = _Lines(sys.stderr.buffer)
    atexit.register(lines.flush)
    structlog.configure(
        processors=[_line],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Foreign()], level=max(number, logging.WARNING), force=True)


def logger_of(event: str) -> Callable[..., None]:
    """Return what logs this event, with the fields it is given, as `log.info` does.

    For what is logged all the time: to find out where it goes takes longer than to write it.
    """
    log, lines = structlog.get_logger().bind(), structlog.get_config()["logger_factory"]()
    if not isinstance(lines, _Lines) or not log.is_enabled_for(logging.INFO):
        return partial(log.info, event)
    return lambda **fields: lines.info(_line(lines, "info", fields | {"event": event}))


class _Lines:
    """Where lines go: what structlog calls a logger."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._waiting: list[bytes] = []
        self._lock = Lock()

    def later(self, line: bytes) -> None:
        """Write a line at the end of this turn of the event loop; at once where there is none."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.now(line)
            return
        with self._lock:
            self._waiting.append(line)
            is_first = len(self._waiting) == 1
        if is_first:
            loop.call_soon(self.flush)

    def now(self, line: bytes) -> None:
        """Write a line, and what waits before it."""
        with self._lock:
            self._waiting.append(line)
        self.flush()

    def flush(self) -> None:
        """Write what waits. Where nobody reads the log any more, people are still answered."""
        with self._lock, suppress(OSError, ValueError):
            waiting, self._waiting = self._waiting, []
            if waiting:
                self._file.write(b"\n".join([*waiting, b""]))
                self._file.flush()

    debug = info = later
    warning = error = critical = now


def _line(_logger: Any, level: str, event: MutableMapping[str, Any]) -> bytes:
    event["level"] = level
    event["timestamp"] = datetime.now(UTC)
    if (request_id := REQUEST_ID.get()) is not None:
        event["request_id"] = request_id
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
