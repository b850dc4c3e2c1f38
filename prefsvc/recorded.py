"""What came of an act."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from prefsvc.suppression import Effect, Reason, Scope


class Recorded(Struct, frozen=True):
    """What came of an act.

    Where the same had been said before, `is_new` is false and the rest is the first one's.
    `stood_before` says that the same was suppressed already, here or on a further channel that the
    act reaches. `also_lifted` has the reasons of further suppressions that an opt-in lifted.
    `is_spooled` says that it is kept and not in the register yet: whether it is new shows there.
    """

    event_id: UUID
    is_new: bool
    effect: Effect
    scope: Scope
    reason: Reason
    received_at: datetime
    deadline_at: datetime | None
    stood_before: bool = False
    also_lifted: tuple[Reason, ...] = ()
    is_spooled: bool = False
