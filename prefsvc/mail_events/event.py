"""What mail providers tell, in one vocabulary; each provider's reader translates into it.

Rule 1: what a person asked for is never lost for want of a detail; what is missing is left empty.
Rule 2: an address and a provider's words about it never show in a repr, and so in no log line.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from prefsvc.brand import MailProvider

Kind = Literal["unsubscribe", "complaint", "bounce_hard", "bounce_soft", "resubscribe", "other"]
"""`bounce_soft` was given up for a passing or unclear cause; what is still tried is `other`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailEvent:
    """One thing that a provider tells about one address."""

    provider: MailProvider
    kind: Kind
    name: str
    """What the provider calls it."""
    address: str = field(repr=False)
    """As the provider writes it; empty where it names nobody."""
    event_id: str
    """Names it; the same however often it is told. Two addresses may share one."""
    occurred_at: datetime | None
    lists: tuple[str, ...] = ()
    """The groups, lists, streams or topics that it is about; none where it is about all mail."""
    reason: str = field(default="", repr=False)
    """The provider's words for the cause."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of one post."""

    events: tuple[MailEvent, ...]
    unreadable: int = 0
    """How many of its events were none; the others count all the same."""
