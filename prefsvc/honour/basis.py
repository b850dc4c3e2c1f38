"""What the deadlines of a brand's opt-outs are counted by: everything but the moments.

A brand's opt-outs on a channel nearly all share one basis, so the register keeps it once, under the
digest of what it says, and each opt-out keeps the digest. With the opt-out's own moments, which the
ledger has, that is the whole reckoning again.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any, Final, Self

from prefsvc.honour.business_days import CALENDAR_VERSION, holidays_of
from prefsvc.honour.earliest import Deadline
from prefsvc.honour.lines import Day, Due, SkippedDays, cut
from prefsvc.honour.reckoning import Moments, Skipped, last_moment, reckon, skipped_days
from prefsvc.honour.rule_file import title_and_source
from prefsvc.honour.rules import Rule
from prefsvc.honour.span import Span
from prefsvc.ledger_row import canonical_json

_ID_OCTETS: Final = 12
_DAYS_MAX: Final = 4096  # eleven years, as an import of old opt-outs may span


@dataclass(frozen=True, kw_only=True)
class Basis:
    """The windows that count, as written, and all else that a deadline depends on."""

    windows: tuple[Rule, ...]
    target: Rule | None
    time_zone: str
    country: str | None = None
    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    calendar: str = CALENDAR_VERSION
    _days: dict[date, Day] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def id(self) -> str:
        """Return the digest of what it says, by which the register knows it."""
        digest = hashlib.sha256(canonical_json(self.to_document())).digest()
        return urlsafe_b64encode(digest[:_ID_OCTETS]).decode()

    def due(self, moments: Moments) -> Due:
        """Reckon the deadline and the target, and nothing that is only needed to explain them."""
        received, sent = moments.received, moments.sent
        if sent != received:
            return self._due(received, sent)
        line = self._day(received.date()).line(received, lambda at: self._due(at, at))
        return line.at(received) if line else self._due(received, received)

    def deadline(self, moments: Moments, skipped: SkippedDays | None = None) -> Deadline:
        """Reckon all of it; `skipped` are the holidays as they were when it was reckoned first."""
        received, sent = moments.received, moments.sent
        reckonings = tuple(
            reckon(
                rule,
                received=received,
                sent=sent,
                time_zone=self.time_zone,
                skipped=None if skipped is None else _named(rule, skipped.get(rule.id, ())),
            )
            for rule in self.windows
        )
        binding = min(reckonings, key=lambda one: (one.conservative_at, one.statutory_at, one.id))
        return Deadline(
            statutory_at=min(one.statutory_at for one in reckonings),
            conservative_at=binding.conservative_at,
            target_at=self._target_at(received, sent, binding.conservative_at),
            set_by=binding.id,
            reckonings=reckonings,
            time_zone=self.time_zone,
            calendar=self.calendar,
            country=self.country,
            added=self.added,
            dropped=self.dropped,
        )

    def stored(self, due: Due) -> dict[str, object]:
        """Return what an opt-out keeps of its reckoning, beside its deadline."""
        skipped = {name: [day.isoformat() for day in days] for name, days in due.skipped.items()}
        document: dict[str, object] = {
            "basis": self.id,
            "target_at": due.target_at.isoformat() if due.target_at else None,
            "country": self.country,
            "skipped": skipped,
        }
        return {key: value for key, value in document.items() if value}

    def restored(self, kept: Mapping[str, Any], moments: Moments) -> Deadline:
        """Return the deadline of an opt-out from what it keeps, and when it was said."""
        days = kept.get("skipped", {})
        return self.deadline(
            moments, {name: tuple(map(date.fromisoformat, each)) for name, each in days.items()}
        )

    def to_document(self) -> dict[str, object]:
        """Return what the register keeps of it, once."""
        return {
            "windows": [_to_document(rule) for rule in self.windows],
            "target": _to_document(self.target) if self.target else None,
            "time_zone": self.time_zone,
            "country": self.country,
            "added": list(self.added),
            "dropped": list(self.dropped),
            "calendar": self.calendar,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read what `to_document` wrote."""
        target = document["target"]
        return cls(
            windows=tuple(_from_document(one) for one in document["windows"]),
            target=_from_document(target) if target else None,
            time_zone=document["time_zone"],
            country=document["country"],
            added=tuple(document["added"]),
            dropped=tuple(document["dropped"]),
            calendar=document["calendar"],
        )

    def _day(self, day: date) -> Day:
        if day not in self._days:
            if len(self._days) >= _DAYS_MAX:
                self._days.clear()
            self._days[day] = cut(day, self._zones, self._ends)
        return self._days[day]

    @cached_property
    def _zones(self) -> frozenset[str]:
        """Return every zone whose days count."""
        named = {
            name for rule in self._every for name in (rule.time_zone, *rule.time_zones) if name
        }
        return frozenset({self.time_zone, *named})

    @property
    def _every(self) -> tuple[Rule, ...]:
        return (*self.windows, self.target) if self.target else self.windows

    def _ends(self, at: datetime) -> list[datetime]:
        return [
            last_moment(rule, received=at, sent=at, time_zone=self.time_zone)
            for rule in self._every
        ]

    def _due(self, received: datetime, sent: datetime) -> Due:
        deadline_at = min(
            last_moment(rule, received=received, sent=sent, time_zone=self.time_zone)
            for rule in self.windows
        )
        skipped = {
            rule.id: days
            for rule in self.windows
            if (days := skipped_days(rule, received=received, sent=sent, time_zone=self.time_zone))
        }
        return Due(deadline_at, self._target_at(received, sent, deadline_at), skipped)

    def _target_at(
        self, received: datetime, sent: datetime, deadline_at: datetime
    ) -> datetime | None:
        """Return the target, which never lies behind the deadline."""
        if self.target is None:
            return None
        at = last_moment(self.target, received=received, sent=sent, time_zone=self.time_zone)
        return min(at, deadline_at)


def _named(rule: Rule, days: tuple[date, ...]) -> Skipped:
    # A later calendar may have dropped a holiday; that it was one when this was counted stands.
    calendar = rule.holidays
    return tuple(
        (day, (holidays_of(calendar, day.year) if calendar else {}).get(day, "a holiday"))
        for day in days
    )


def _to_document(rule: Rule) -> dict[str, object]:
    """Return a window as written; its title and source are looked up by its id."""
    document: dict[str, object] = {
        "id": rule.id,
        "number": rule.window.number,
        "unit": rule.window.unit,
        "counted_from": rule.counted_from,
        "first_day_counts": rule.first_day_counts,
        "ends": rule.ends,
        "holidays": rule.holidays,
        "time_zone": rule.time_zone,
        "time_zones": list(rule.time_zones),
    }
    return {key: value for key, value in document.items() if value}


def _from_document(document: Mapping[str, Any]) -> Rule:
    title, source = title_and_source(document["id"])
    return Rule(
        id=document["id"],
        title=title,
        source=source,
        window=Span(document.get("number", 0), document["unit"]),
        counted_from=document["counted_from"],
        about=frozenset(),  # it was chosen already
        first_day_counts=document.get("first_day_counts", False),
        ends=document["ends"],
        holidays=document.get("holidays"),
        time_zone=document.get("time_zone"),
        time_zones=tuple(document.get("time_zones", ())),
    )
