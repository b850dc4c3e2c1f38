"""A piece of a round that may fail without holding up the others."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from prefsvc import metrics

log = structlog.get_logger()


@contextmanager
def apart(loop: str, **about: str) -> Iterator[None]:
    """Count and log a fault in the block, and go on: the next round tries again."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - what comes after must not wait for this one
        metrics.LOOP_FAULTS.labels(loop).inc()
        log.warning("loop_fault", loop=loop, kind=type(error).__name__, **about)
