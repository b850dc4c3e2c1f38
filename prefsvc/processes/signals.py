"""What the system tells a process that serves."""

import asyncio
import signal
import sys
from collections.abc import Callable


def stop() -> asyncio.Event:
    """Return what is set by SIGTERM and SIGINT."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    return told


def on_hang_up(stop: asyncio.Event, restart: Callable[[], None]) -> None:
    """Stop with the terminal, where there is one; elsewhere SIGHUP asks for a restart.

    What ignores it already (nohup) goes on doing so.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return
    has_terminal = sys.stdin is not None and sys.stdin.isatty()
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGHUP, stop.set if has_terminal else restart
    )
