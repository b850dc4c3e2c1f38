"""The deadline of an opt-out: the earliest of every rule that applies and the brand's own promise.

A window is a deadline and never a delay: it protects messages already in flight (RULES L-54).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from prefsvc.honour import stored
from prefsvc.honour.explanation import country_in_words, moment_in_words, sentence
from prefsvc.honour.reckoning import Reckoning


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """By when every sender must have heard, which rule says so, and how each was counted."""

    statutory_at: datetime
    conservative_at: datetime
    target_at: datetime | None
    set_by: str
    reckonings: tuple[Reckoning, ...]
    time_zone: str
    calendar: str
    country: str | None = None
    """Where the recipient is (ISO 3166), as far as that was known."""
    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    """Which rules the country added to the brand's list, and which it dropped from it."""

    @property
    def binding(self) -> Reckoning:
        """Return the reckoning that set the conservative deadline."""
        return next(one for one in self.reckonings if one.id == self.set_by)

    def explain(self) -> str:
        """Say in full how it came about: one line for the outcome, one for each window."""
        lines = [
            f"The deadline is {self._words(self.conservative_at)}.",
            f"{self.set_by} says so; in the ordinary reading: {self._words(self.statutory_at)}.",
        ]
        if self.target_at:
            lines.append(f"The brand aims at {self._words(self.target_at)}.")
        if self.country:
            lines.append(country_in_words(self.country, self.added, self.dropped))
        lines += [f"- {one.id}, {one.title}: {sentence(one)}" for one in self.reckonings]
        lines.append(f"Holidays as in {self.calendar}.")
        return "\n".join(lines)

    def to_document(self) -> dict[str, object]:
        """Return all of it: every window as written, its outcome, why one binds."""
        document: dict[str, object] = {
            "statutory_at": self.statutory_at.isoformat(),
            "conservative_at": self.conservative_at.isoformat(),
            "target_at": self.target_at.isoformat() if self.target_at else None,
            "set_by": self.set_by,
            "explanation": sentence(self.binding),
            "reckonings": [stored.to_document(one, self.time_zone) for one in self.reckonings],
            "time_zone": self.time_zone,
            "calendar": self.calendar,
        }
        where = {"country": self.country, "added": [*self.added], "dropped": [*self.dropped]}
        return document | {key: value for key, value in where.items() if value}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read what `to_document` wrote, also by an earlier version."""
        time_zone = document["time_zone"]
        target_at = document["target_at"]
        reckonings = [stored.from_document(one, time_zone) for one in document["reckonings"]]
        return cls(
            statutory_at=datetime.fromisoformat(document["statutory_at"]),
            conservative_at=datetime.fromisoformat(document["conservative_at"]),
            target_at=datetime.fromisoformat(target_at) if target_at else None,
            set_by=document["set_by"],
            reckonings=tuple(reckonings),
            time_zone=time_zone,
            calendar=document["calendar"],
            country=document.get("country"),
            added=tuple(document.get("added", ())),
            dropped=tuple(document.get("dropped", ())),
        )

    def _words(self, moment: datetime) -> str:
        return moment_in_words(moment, self.time_zone)
