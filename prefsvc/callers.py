"""Whose keys were seen a moment ago: so that not every request asks the database who is calling.

A key is believed for a short while after it was looked up, and no longer: one that was revoked
elsewhere is refused that much later. What is kept here is the key's digest, never the key.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from prefsvc.api_keys import Caller


@dataclass(frozen=True, slots=True)
class Recent:
    """A caller, and how long ago the database last said that the key was theirs."""

    caller: Caller
    age_seconds: float


@dataclass(slots=True)
class Callers:
    """The callers of this process, by the digests of their keys; those seen last are kept."""

    trusted_seconds: float
    kept_max: int
    clock: Callable[[], float] = time.monotonic
    """Monotonic: a wall clock that is set back would make a key good for longer."""
    _seen: OrderedDict[bytes, tuple[Caller, float]] = field(default_factory=OrderedDict)
    _forgotten_at: float = float("-inf")

    def trusted(self, presented: str) -> Caller | None:
        """Return whose key this is, if that was looked up a moment ago."""
        found = self._seen.get(_digest(presented))
        return found[0] if found and self.clock() - found[1] < self.trusted_seconds else None

    def recent(self, presented: str) -> Recent | None:
        """Return whose key this was when it was last looked up, and how long ago that is."""
        found = self._seen.get(_digest(presented))
        return Recent(found[0], self.clock() - found[1]) if found else None

    def note(self, presented: str, caller: Caller, *, asked_at: float) -> None:
        """Remember whose key this is, as the database said it when it was asked."""
        if asked_at <= self._forgotten_at:
            return  # the key may have been revoked while it was being looked up
        digest = _digest(presented)
        self._seen[digest] = (caller, asked_at)
        self._seen.move_to_end(digest)
        while len(self._seen) > self.kept_max:
            self._seen.popitem(last=False)

    def drop(self, presented: str) -> None:
        """Forget a key that turned out to be good no more."""
        self._seen.pop(_digest(presented), None)

    def forget(self) -> None:
        """Forget every key: one of them was revoked here."""
        self._seen.clear()
        self._forgotten_at = self.clock()


def _digest(presented: str) -> bytes:
    return hashlib.sha256(presented.encode(errors="surrogateescape")).digest()
