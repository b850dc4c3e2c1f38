"""The sockets that are listened on: taken before anything else starts, one for each worker.

The kernel spreads connections over the sockets of a port. The parent holds them all for as long as
it runs, so that what waits in one is not lost with the worker that would have taken it.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from prefsvc.errors import AddressInUse
from prefsvc.settings import Settings

BACKLOG: Final = 1024
"""How many connections wait in each socket; the system may allow fewer (net.core.somaxconn)."""

UNSENT_BYTES_MAX: Final = 1 << 18
"""How much of an answer the system takes beyond what its reader has room for. It would take
megabytes of each that does not read, and the event loop would be busy filling them."""


@dataclass(frozen=True, slots=True)
class Sockets:
    """One for HTTP and, where mail is taken, one for mail, for each process that serves."""

    http: tuple[socket.socket, ...]
    mail: tuple[socket.socket, ...]

    @property
    def port(self) -> int:
        """Return the port of HTTP."""
        return int(self.http[0].getsockname()[1])


@contextmanager
def listening(settings: Settings, *, count: int = 1) -> Iterator[Sockets]:
    """Take the ports, or refuse."""
    with ExitStack() as stack:
        http = _listening(
            stack, settings.host, settings.port, count, hint="PREFSVC_HOST and PREFSVC_PORT"
        )
        mail: tuple[socket.socket, ...] = ()
        if settings.mail_listen_port is not None:
            host, port = settings.mail_listen_host, settings.mail_listen_port
            hint = "PREFSVC_MAIL_LISTEN_HOST and PREFSVC_MAIL_LISTEN_PORT"
            mail = _listening(stack, host, port, count, hint=hint)
        yield Sockets(http, mail)


def _listening(
    stack: ExitStack, host: str, port: int, count: int, *, hint: str
) -> tuple[socket.socket, ...]:
    try:
        if count > 1:
            # Sockets that share a port would share it with another prefsvc, too.
            with _bound(host, port, is_shared=False):
                pass
        first = stack.enter_context(_bound(host, port, is_shared=count > 1))
        port = first.getsockname()[1]
        others = [stack.enter_context(_bound(host, port, is_shared=True)) for _ in range(1, count)]
        for one in (first, *others):
            one.listen(BACKLOG)
    except OSError as error:
        raise AddressInUse(
            f"Cannot listen on {host}:{port} ({error.strerror}). Stop what listens there, or set "
            f"{hint}."
        ) from error
    return (first, *others)


def _bound(host: str, port: int, *, is_shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # connections have it from the socket they came by
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES_MAX)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made
