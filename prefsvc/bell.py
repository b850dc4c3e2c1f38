"""The bell: telling those in this process who wait for a brand's feed that it has grown."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(slots=True)
class Bell:
    """Rings when a brand's feed has grown, so that waiting polls look at once."""

    _events: dict[int, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))
    waiters: int = 0
    rung: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by every ring, for a loop that serves every brand; the loop clears it."""
    told: asyncio.Event = field(default_factory=asyncio.Event)
    """The same, for the loop that tells Twilio."""

    def ring(self, brand_id: int) -> None:
        """Wake those who wait for this brand."""
        self._events.pop(brand_id, asyncio.Event()).set()
        self.rung.set()
        self.told.set()

    def ring_all(self) -> None:
        """Wake everybody: the service is stopping."""
        for brand_id in list(self._events):
            self.ring(brand_id)
        self.rung.set()
        self.told.set()

    async def wait(self, brand_id: int, *, timeout_seconds: float) -> None:
        """Wait for a ring, at most this long."""
        try:
            await asyncio.wait_for(self._events[brand_id].wait(), timeout_seconds)
        except TimeoutError:
            return
