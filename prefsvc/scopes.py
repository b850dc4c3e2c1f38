"""Which scope somebody's words have, by what the brand has today."""

from prefsvc.address import Channel
from prefsvc.brands import AppliedBrand
from prefsvc.errors import InvalidBody
from prefsvc.suppression import Scope, ScopeKind


def scope_of(
    brand: AppliedBrand, channel: Channel, kind: ScopeKind | None, topic: str | None
) -> Scope:
    """Understand a scope; one whose topic the brand no longer has is the whole channel.

    Somebody who said stop to a topic that is gone, or was never there, is still heard: doubt is
    settled towards stopping (promise 1, RULES E-20).
    """
    if kind == "topic" and topic is None:
        raise InvalidBody("Topic scope needs its topic.", pointer="/topic")
    if kind not in {None, "topic"} and topic is not None:
        raise InvalidBody("A topic belongs to topic scope.", pointer="/topic")
    if topic is None:
        return Scope(kind or "channel")
    known = brand.brand.find_topic(topic)
    if known is None or not known.can_be_opted_out_of or channel not in known.channels:
        return Scope("channel")
    return Scope("topic", topic)
