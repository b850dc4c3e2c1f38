"""On which further channels of its address an act counts. Pure.

A suppression stands on one channel, so that each channel's lists, feed and obligations are complete
by themselves. What is said about more than a channel is therefore recorded on each that reaches the
address, in one transaction; which channels the brand has today plays no part in that.
"""

from functools import lru_cache
from typing import NamedTuple

from prefsvc.address import Channel, channels_reaching, kind_of
from prefsvc.suppression import PERSONS_WORDS, ActKind, Reason, ScopeKind

_BEYOND_A_CHANNEL: frozenset[ScopeKind] = frozenset({"brand", "third_party_sharing"})

_TAKEN_BACK: frozenset[str] = frozenset({"undo"})
"""Sources of an opt-in that takes back a press which put all that it lifts. START on a channel does
not: it says nothing of a STOP that was said on the other one (S-14)."""


class Said(NamedTuple):
    """As much of an act as its reach depends on."""

    kind: ActKind
    channel: Channel
    scope: ScopeKind
    reason: Reason
    source: str


@lru_cache(maxsize=1024)
def further_channels(said: Said, channels_of_brand: tuple[Channel, ...]) -> tuple[Channel, ...]:
    """Return the channels, beside the one that it was said of, on which an act counts.

    An opt-out of the brand, or of sharing, is about the address wherever it is reached (S-32).
    One of a channel that the brand does not have is about whichever list its program reads there,
    and nobody knows which that is: so it counts on all of them (S-31).
    """
    others = tuple(one for one in channels_reaching(kind_of(said.channel)) if one != said.channel)
    if said.scope in _BEYOND_A_CHANNEL:
        return others
    # The other reasons are facts about an address on one channel: a landline may have WhatsApp.
    if said.channel in channels_of_brand or said.reason not in PERSONS_WORDS:
        return ()
    return others if said.kind == "opt_out" or said.source in _TAKEN_BACK else ()
