"""The deadline of an opt-out: the earliest of every rule that applies and the brand's own promise.

A window is a deadline and never a delay: it protects messages already in flight (RULES L-54).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Self

from prefsvc.errors import NoRuleAbout
from prefsvc.honour import stored
from prefsvc.honour.business_days import CALENDAR_VERSION
from prefsvc.honour.choice import Choice, choose, could_count
from prefsvc.honour.explanation import country_in_words, moment_in_words, sentence
from prefsvc.honour.reckoning import Moments, Reckoning, reckon, shortest
from prefsvc.honour.rules import HOUSE_DEFAULT, ChannelOrPurpose, Matter, Promise, Rule


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
        """Return what the ledger keeps: every window as written, its outcome, why one binds."""
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


def deadline(
    rules: Iterable[Rule],
    promise: Promise | None,
    moments: Moments,
    *,
    channel: Matter,
    recipient_domain: str | None,
    time_zone: str,
    country: str | None = None,
) -> Deadline:
    """Return the earliest of every rule that applies and the promise (RULES L-50).

    `rules` are those the brand lists; the recipient's `country` narrows and widens them (choice).
    `channel` is "third_party_sharing" for an opt-out of sharing: it has its own clock. Where
    neither a promise nor a listed rule applies to an opt-out, the house default does; about
    another matter, NoRuleAbout is raised. The target never lies behind the deadline.
    """
    choice = choose(rules, channel, country=country, recipient_domain=recipient_domain)
    windows = _windows(choice, promise, channel)
    count = partial(reckon, received=moments.received, sent=moments.sent, time_zone=time_zone)
    reckonings = tuple(count(rule) for rule in windows)
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
        country=country,
        added=choice.added,
        dropped=choice.dropped,
    )


def _windows(choice: Choice, promise: Promise | None, channel: Matter) -> list[Rule]:
    windows = [*choice.rules]
    if promise:
        windows.append(_about(promise, channel).as_rule(promise.window))
    elif len(choice.rules) == len(choice.added) and channel in HOUSE_DEFAULT.about:
        # Nothing of the brand's own applies. A law that the country adds takes nothing away from
        # that: to know where somebody is must not make their deadline later.
        windows.append(HOUSE_DEFAULT)
    if not windows:
        raise NoRuleAbout
    return windows


def shortest_window(
    rules: Iterable[Rule], promise: Promise | None, *, channel: ChannelOrPurpose
) -> timedelta:
    """Return the least time in which an opt-out said from now on could fall due, on this channel.

    It holds for any recipient in any country, so a rule for Gmail's mailboxes or New Zealand's
    counts. It cannot know of opt-outs that were said before now and have not arrived: an operator
    may yet record last week's telephone call.
    """
    if promise:
        _about(promise, channel)
    return min(shortest(rule) for rule in could_count(rules, promise, channel))


def _about(promise: Promise, channel: Matter) -> Promise:
    if promise.about != channel:
        raise ValueError(f"a promise about {promise.about} says nothing about {channel}")
    return promise
