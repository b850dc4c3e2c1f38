"""The deadline of an opt-out: the earliest of every rule that applies and the brand's own promise.

A window is a deadline and never a delay: it protects messages already in flight (RULES L-54).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from prefsvc.honour.business_days import CALENDAR_VERSION
from prefsvc.honour.explanation import moment_in_words, sentence
from prefsvc.honour.reckoning import Moments, Reckoning, reckon, shortest
from prefsvc.honour.rules import HOUSE_DEFAULT, ChannelOrPurpose, Promise, Rule


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

    @property
    def binding(self) -> Reckoning:
        """Return the reckoning that set the conservative deadline."""
        return next(one for one in self.reckonings if one.id == self.set_by)

    def explain(self) -> str:
        """Say in full how it came about: one line for the outcome, one for each window."""
        lines = [
            f"Every sender must have acknowledged by {self._words(self.conservative_at)}.",
            f"{self.set_by} says so; in the ordinary reading: {self._words(self.statutory_at)}.",
        ]
        if self.target_at:
            lines.append(f"The brand aims at {self._words(self.target_at)}.")
        lines += [f"- {one.id}, {one.title}: {sentence(one)}" for one in self.reckonings]
        lines.append(f"Holidays as in {self.calendar}.")
        return "\n".join(lines)

    def to_document(self) -> dict[str, object]:
        """Return what the ledger keeps: every window as written, its outcome, why one binds."""
        return {
            "statutory_at": _iso(self.statutory_at),
            "conservative_at": _iso(self.conservative_at),
            "target_at": _iso(self.target_at) if self.target_at else None,
            "set_by": self.set_by,
            "explanation": sentence(self.binding),
            "reckonings": [_document(one, self.time_zone) for one in self.reckonings],
            "time_zone": self.time_zone,
            "calendar": self.calendar,
        }

    def _words(self, moment: datetime) -> str:
        return moment_in_words(moment, self.time_zone)


def deadline(
    rules: Iterable[Rule],
    promise: Promise | None,
    moments: Moments,
    *,
    channel: ChannelOrPurpose,
    recipient_domain: str | None,
    time_zone: str,
) -> Deadline:
    """Return the earliest of every rule that applies and the promise (RULES L-50).

    `channel` is "third_party_sharing" for an opt-out of sharing: it has its own clock. Where
    nothing applies the house default does. The target never lies behind the deadline.
    """
    windows = [rule for rule in rules if rule.applies_to(channel, recipient_domain)]
    if promise:
        windows.append(_about(promise, channel).as_rule(promise.window))
    count = partial(reckon, received=moments.received, sent=moments.sent, time_zone=time_zone)
    reckonings = tuple(count(rule) for rule in windows or (HOUSE_DEFAULT,))
    binding = min(reckonings, key=lambda one: (one.conservative_at, one.statutory_at, one.id))
    target_at = None
    if promise and promise.target:
        target = count(promise.as_rule(promise.target))
        target_at = min(target.conservative_at, binding.conservative_at)
    return Deadline(
        statutory_at=min(one.statutory_at for one in reckonings),
        conservative_at=binding.conservative_at,
        target_at=target_at,
        set_by=binding.id,
        reckonings=reckonings,
        time_zone=time_zone,
        calendar=CALENDAR_VERSION,
    )


def shortest_window(
    rules: Iterable[Rule], promise: Promise | None, *, channel: ChannelOrPurpose
) -> timedelta:
    """Return the least time in which an opt-out said from now on could fall due, on this channel.

    It holds for any mailbox, so a rule for Gmail's counts. It cannot know of opt-outs that were
    said before now and have not arrived: an operator may yet record last week's telephone call.
    """
    windows = [rule for rule in rules if channel in rule.channels]
    if promise:
        windows.append(_about(promise, channel).as_rule(promise.window))
    if all(rule.recipient_domains for rule in windows):
        windows.append(HOUSE_DEFAULT)  # a mailbox at some other domain
    return min(shortest(rule) for rule in windows)


def _about(promise: Promise, channel: ChannelOrPurpose) -> Promise:
    if promise.about != channel:
        raise ValueError(f"a promise about {promise.about} says nothing about {channel}")
    return promise


def _iso(moment: datetime) -> str:
    return moment.isoformat()


def _document(reckoning: Reckoning, time_zone: str) -> dict[str, object]:
    """Write one window down, without what is ordinary, since every opt-out carries it."""
    document: dict[str, object] = {
        "id": reckoning.id,
        "number": reckoning.number,
        "unit": reckoning.unit,
        "counted_from": reckoning.counted_from,
        "started_at": _iso(reckoning.started_at),
        "statutory_at": _iso(reckoning.statutory_at),
        "statutory_day": reckoning.statutory_day.isoformat(),
        "conservative_at": _iso(reckoning.conservative_at),
        "conservative_day": reckoning.conservative_day.isoformat(),
    }
    earliest_at = reckoning.earliest_at
    unusual: dict[str, object] = {
        "earliest_at": _iso(earliest_at) if earliest_at != reckoning.started_at else None,
        "first_day_counts": reckoning.first_day_counts,
        "ends": reckoning.ends if reckoning.ends != "end_of_day" else None,
        "holidays": reckoning.holidays,
        "skipped": [day.isoformat() for day, _ in reckoning.skipped],
        "statutory_zone": _other(reckoning.statutory.zone, time_zone),
        "conservative_zone": _other(reckoning.conservative.zone, time_zone),
    }
    return document | {key: value for key, value in unusual.items() if value}


def _other(zone_name: str, time_zone: str) -> str | None:
    return zone_name if zone_name != time_zone else None
