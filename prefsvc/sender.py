"""A sender: a program that sends for a brand on one channel. Pure; senders.py has its rules."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from prefsvc.address import Channel
from prefsvc.cursor import Cursor


@dataclass(frozen=True, slots=True)
class Sender:
    """A sender and what it has acknowledged, which counts in that cursor's history alone."""

    sender_id: UUID
    slug: str
    channel: Channel
    created_at: datetime
    acknowledged: Cursor | None
    acknowledged_at: datetime | None
    retired_at: datetime | None = None

    def known(self, epoch: UUID) -> Cursor | None:
        """Return what it has acknowledged in this history; None for nothing yet."""
        if self.acknowledged is None or self.acknowledged.epoch != epoch:
            return None
        return self.acknowledged
