"""Counting removals by mail from one origin, until all processes' counts are put together. Pure."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

_STRANGE: Final = re.compile(r"[^\w.: -]", re.ASCII)
"""What no host or domain has, but a forger may write: it is shown to people, in commands, too."""

ORIGINS_MAX: Final = 10_000
"""So many are kept apart between two looks; of a flood from more, others are counted later."""


class Seen(NamedTuple):
    """From where mail came for a brand in one minute: a host, or a domain."""

    brand_id: int
    origin: str
    minute: datetime


@dataclass(slots=True)
class Origins:
    """What this process has counted and not yet written down."""

    _counts: Counter[Seen] = field(default_factory=Counter)

    def add(self, brand_id: int, origin: str, at: datetime) -> None:
        """Count a removal that nobody vouches for."""
        shown = _STRANGE.sub("?", origin[:253])
        seen = Seen(brand_id, shown, at.replace(second=0, microsecond=0))
        if seen in self._counts or len(self._counts) < ORIGINS_MAX:
            self._counts[seen] += 1

    def take(self) -> Mapping[Seen, int]:
        """Return what was counted, and begin anew."""
        counts, self._counts = self._counts, Counter()
        return counts

    def give_back(self, counts: Mapping[Seen, int]) -> None:
        """Count again what could not be written down."""
        self._counts.update(counts)
