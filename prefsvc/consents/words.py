"""What is told of a number: whether it is opted out, since when, and by which kind of word.

An opt-in overrides a STOP that Twilio heard itself. So one is told only where an opt-out was lifted
by the person's own later word, never of what was imported, and never of a number that merely has no
opt-out (RULES S-30). What was said of one spelling of a number is told of the other, too, and taken
back there with it: a text that Twilio refused would be read as a new opt-out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec

from prefsvc.suppression import LIFTING_SOURCES

Status = Literal["opt-out", "opt-in"]
Source = Literal["website", "offline", "opt-in-message", "opt-out-message", "others"]

_WEBSITE: Final = frozenset({"link", "one_click", "preference_centre", "registration", "undo"})
_OFFLINE: Final = frozenset({"fax", "in_store", "letter", "phone"})


@dataclass(frozen=True, slots=True)
class Said:
    """What the register has of somebody's word: when it was said, and how it reached us."""

    said_at: datetime
    source: str


@dataclass(frozen=True, slots=True)
class Word:
    """What is told of a number."""

    status: Status
    said: Said

    @property
    def source(self) -> Source:
        """Return how the word was said, in Twilio's terms."""
        if self.said.source == "sms_reply":
            return "opt-out-message" if self.status == "opt-out" else "opt-in-message"
        if self.said.source in _WEBSITE:
            return "website"
        return "offline" if self.said.source in _OFFLINE else "others"


def word(opt_outs: Sequence[Said], lifts: Sequence[Said], *, is_fresh: bool) -> Word | None:
    """Return what is told of a number; None where there is nothing to tell.

    `opt_outs` stand now, `lifts` ended others. Of two opt-outs the later one is told: it is the
    person's last word. What is not fresh may be older than a STOP that only Twilio heard, so that
    it never opts anybody in.
    """
    if opt_outs:
        return Word("opt-out", max(opt_outs, key=_moment))
    if lifts and is_fresh:
        last = max(lifts, key=_moment)
        return Word("opt-in", last) if last.source in LIFTING_SOURCES else None  # S-30
    return None


def _moment(said: Said) -> datetime:
    return said.said_at


def item(correlation_id: UUID, number: str, target: str, told: Word) -> str:
    """Return one of a request's items; a number's canonical form is E.164, as it must be."""
    return msgspec.json.encode(
        {
            "contact_id": number,
            "correlation_id": correlation_id.hex,
            "sender_id": target,
            "status": told.status,
            "source": told.source,
            "date_of_consent": f"{told.said.said_at:%Y-%m-%dT%H:%M:%SZ}",
        }
    ).decode()
