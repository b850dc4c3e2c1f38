"""How many may be connected at once, and how much mail each host may hand over in a minute."""

from collections import Counter
from dataclasses import dataclass, field

from prefsvc.settings import Settings


@dataclass(slots=True)
class Limits:
    """Who is connected, and how much mail each host has handed over in this minute."""

    settings: Settings
    connected: Counter[str] = field(default_factory=Counter)
    _taken: Counter[str] = field(default_factory=Counter)
    _minute: int = -1

    def admit(self, host: str) -> bool:
        """Count a connection in, unless there are too many of all or of this host's."""
        if (
            self.connected.total() >= self.settings.mail_connections_max
            or self.connected[host] >= self.settings.mail_connections_per_host_max
        ):
            return False
        self.connected[host] += 1
        return True

    def leave(self, host: str) -> None:
        """Count a connection out."""
        self.connected[host] -= 1
        self.connected += Counter()  # forgets who is at zero

    def may_hand_over(self, host: str, seconds: float) -> bool:
        """Count a mail, unless the host has handed over too many in this minute."""
        minute = int(seconds // 60)
        if minute != self._minute:
            self._minute = minute
            self._taken.clear()
        self._taken[host] += 1
        return self._taken[host] <= self.settings.mail_per_minute_max
