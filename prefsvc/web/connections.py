"""Who is connected, and who has been too slow: looked at once a second, not at every byte.

A connection costs memory for as long as it likes to wait. So there are limits to how many there
are and how slowly they may speak and listen; above them, those that waited longest make room.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from prefsvc import metrics
from prefsvc.settings import Settings
from prefsvc.web import client

LOOK_SECONDS: Final = 1.0
BODY_WINDOW_SECONDS: Final = 10.0
_ROOM: Final = 16
"""One in so many connections makes room at once where there are too many, so that looking for them
is not the work of every newcomer."""


class Connected(Protocol):
    """A connection, as far as it matters here. Moments are those of the event loop's clock."""

    def is_waiting(self) -> bool:
        """Say whether no request is under way."""

    def waiting_since(self) -> float:
        """Return since when none is."""

    def head_since(self) -> float | None:
        """Return since when the head of a request has been arriving, or could have been."""

    def reader_since(self) -> float | None:
        """Return since when what is buffered for the reader has been too much."""

    def body_received(self) -> int | None:
        """Return how much has arrived in all, while a body is arriving that somebody waits for."""

    def hang_up(self) -> None:
        """End it at once."""


@dataclass(slots=True, eq=False)
class _Seen:
    address: str | None
    """None where there is no limit to them."""
    body_at: float = 0.0
    body_received: int | None = None


@dataclass(slots=True)
class Connections:
    """The connections of a process."""

    settings: Settings
    _seen: dict[Connected, _Seen] = field(default_factory=dict)
    _of_address: dict[str, set[Connected]] = field(default_factory=dict)
    _full_until: float = 0.0

    def admit(self, one: Connected, peer: str | None, now: float) -> bool:
        """Count a connection in, making room for it if need be; False where there is none."""
        address = self._limited(peer)
        others = self._of_address.get(address, set()) if address else set()
        if not (self._has_room_of_address(others) and self._has_room(now)):
            metrics.CONNECTIONS_ENDED.labels("refused").inc()
            return False
        self._seen[one] = _Seen(address)
        if address:
            self._of_address.setdefault(address, set()).add(one)
        metrics.CONNECTIONS.set(len(self._seen))
        return True

    def leave(self, one: Connected) -> None:
        """Count a connection out."""
        seen = self._seen.pop(one, None)
        if seen is None:
            return
        metrics.CONNECTIONS.set(len(self._seen))
        if seen.address and (others := self._of_address.get(seen.address)):
            others.discard(one)
            if not others:
                del self._of_address[seen.address]

    async def watch(self) -> None:
        """Look after them until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look(clock())

    def look(self, now: float) -> None:
        """Hang up on those that are too slow."""
        for one, seen in list(self._seen.items()):
            if why := self._too_slow(one, seen, now):
                metrics.CONNECTIONS_ENDED.labels(why).inc()
                one.hang_up()

    def _too_slow(self, one: Connected, seen: _Seen, now: float) -> str | None:
        head, reader = one.head_since(), one.reader_since()
        if head is not None and now - head > self.settings.header_timeout_seconds:
            return "slow_head"
        if reader is not None and now - reader > self.settings.write_timeout_seconds:
            return "slow_reader"
        return "slow_body" if self._has_slow_body(one, seen, now) else None

    def _has_slow_body(self, one: Connected, seen: _Seen, now: float) -> bool:
        received = one.body_received()
        if received is None or seen.body_received is None:
            seen.body_at, seen.body_received = now, received
            return False
        seconds = now - seen.body_at
        if seconds < BODY_WINDOW_SECONDS:
            return False
        arrived = received - seen.body_received
        seen.body_at, seen.body_received = now, received
        return arrived < self.settings.body_rate_bytes_per_second_min * seconds

    def _has_room_of_address(self, others: set[Connected]) -> bool:
        has_room = len(others) < self.settings.connections_per_address_max
        return has_room or self._has_made_room(others, 1, "of_address")

    def _has_room(self, now: float) -> bool:
        """Make room where there are too many; where nobody waits, do not look again at once."""
        if len(self._seen) < self.settings.connections_max:
            return True
        if now < self._full_until:
            return False
        count = max(1, len(self._seen) // _ROOM)
        if self._has_made_room(self._seen, count, "of_all"):
            return True
        self._full_until = now + LOOK_SECONDS
        return False

    def _has_made_room(self, among: Iterable[Connected], count: int, why: str) -> bool:
        waiting = sorted(
            (one for one in among if one.is_waiting()), key=lambda one: one.waiting_since()
        )
        for one in waiting[:count]:
            metrics.CONNECTIONS_ENDED.labels(why).inc()
            self.leave(one)
            one.hang_up()
        return bool(waiting)

    def _limited(self, peer: str | None) -> str | None:
        address = client.parsed(peer or "")
        if address is None or client.is_within(address, self.settings.trusted_proxies):
            return None
        return client.customer(address)
