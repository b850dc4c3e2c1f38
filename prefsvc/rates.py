"""How much is asked in how long: token buckets, few in memory however many ask."""

from collections import OrderedDict
from math import ceil
from typing import Final, NamedTuple

WINDOW_SECONDS: Final = 60
_ROUNDING: Final = 1e-9
"""Who waits as long as was said is served, however the sum of two waits is rounded."""
BUCKETS_MAX: Final = 20_000
"""The most that are kept; who has not asked for longest is forgotten, and begins anew."""


class Standing(NamedTuple):
    """What is left to somebody who has just asked."""

    policy: str
    quota: int
    is_refused: bool
    remaining: int
    full_in_seconds: int
    next_in_seconds: int
    """When one may be asked again; 0 where it was not refused."""

    @property
    def policy_header(self) -> str:
        """Write `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10)."""
        return f'"{self.policy}";q={self.quota};w={WINDOW_SECONDS}'

    @property
    def header(self) -> str:
        """Write `RateLimit`: what remains, and when all of it does."""
        return f'"{self.policy}";r={self.remaining};t={self.full_in_seconds}'


class Rate:
    """So many a minute for each who asks, all at once or spread."""

    def __init__(self, policy: str, quota: int) -> None:
        """Give the policy its name and its quota a minute."""
        self.policy = policy
        self.quota = quota
        self._per_second = quota / WINDOW_SECONDS
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def knows(self, who: bytes) -> bool:
        """Say whether somebody has asked who is still remembered."""
        return who in self._buckets

    def take(self, who: bytes, at: float) -> Standing:
        """Count a request at this moment of a clock that never goes back."""
        level, since = self._buckets.pop(who, (float(self.quota), at))
        level = min(self.quota, level + max(0.0, at - since) * self._per_second)
        is_refused = level < 1 - _ROUNDING
        if not is_refused:
            level = max(0.0, level - 1)
        self._buckets[who] = (level, at)
        if len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
        return Standing(
            self.policy,
            self.quota,
            is_refused,
            remaining=int(level + _ROUNDING),
            full_in_seconds=ceil((self.quota - level) / self._per_second),
            next_in_seconds=ceil((1 - level) / self._per_second) if is_refused else 0,
        )
