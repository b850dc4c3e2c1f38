"""An opt-out on its way through the spool: what it is given, and what its caller is told."""

from datetime import datetime

from msgspec.structs import replace

from prefsvc import ledger, opt_outs
from prefsvc.act import Act
from prefsvc.evidence import Evidence, storable
from prefsvc.recorded import Recorded
from prefsvc.spool.items import KeptScope, Pressed
from prefsvc.suppression import Scope
from prefsvc.token import ShortToken, bucket_of_link


def to_keep(act: Act, now: datetime) -> Act:
    """Return the act with an id, by which it is recorded once, and the moment it came."""
    event_id = act.event_id or ledger.new_event_id(now, act.recipient.bucket)
    return replace(act, event_id=event_id, received_at=act.received_at or now)


def press(
    link: ShortToken, source: str, evidence: Evidence, now: datetime, scope: Scope | None = None
) -> Pressed:
    """Return a press of a short link, to be kept, with the id by which it is recorded once."""
    event_id = ledger.new_event_id(now, bucket_of_link(link.link_id))
    kept_scope = KeptScope.of(scope) if scope else None
    return Pressed(link.brand, link.link_id, source, storable(evidence), now, event_id, kept_scope)


def recorded(act: Act, now: datetime) -> Recorded:
    """Return what can be said of an act that is kept: it counts, and since when."""
    received_at = act.received_at or now
    return Recorded(
        act.event_id or ledger.new_event_id(now, act.recipient.bucket),
        is_new=True,
        effect="added",
        scope=act.scope,
        reason=act.reason,
        received_at=received_at,
        deadline_at=opt_outs.deadline_at(act, received_at),
        is_spooled=True,
    )
