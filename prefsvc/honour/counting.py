"""What a deadline is counted by: the brand's rules, its promise, and where the recipient is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Final

from prefsvc.errors import NoRuleAbout
from prefsvc.honour.basis import Basis
from prefsvc.honour.choice import Choice, choose, could_count
from prefsvc.honour.earliest import Deadline
from prefsvc.honour.reckoning import Moments, shortest
from prefsvc.honour.rule_file import load_rules
from prefsvc.honour.rules import HOUSE_DEFAULT, ChannelOrPurpose, Matter, Promise, Rule

_BASES_MAX: Final = 4096


@dataclass(slots=True)
class _Mailboxes:
    """The domains that some rules are about alone."""

    named: frozenset[str]

    def known(self, domain: str | None) -> tuple[str, str] | None:
        """Return all that rules can tell of a domain: whether it, or its provider, is named."""
        if domain is None:
            return None
        plain = domain.rstrip(".").casefold()
        provider, dot, _ = plain.partition(".")
        of_provider = f"{provider}{dot}*"
        return (
            plain if plain in self.named else "",
            of_provider if of_provider in self.named else "",
        )


@dataclass
class Bases:
    """The bases of one brand's deadlines, each made once."""

    rules: tuple[Rule, ...]
    promise: Callable[[ChannelOrPurpose], Promise | None]
    time_zone: str
    _made: dict[object, Basis] = field(default_factory=dict)

    def of(
        self, about: ChannelOrPurpose, *, recipient_domain: str | None, country: str | None
    ) -> Basis:
        """Return what counts for a recipient at this domain and in this country."""
        key = (about, self._mailboxes.known(recipient_domain), country)
        if key not in self._made:
            if len(self._made) >= _BASES_MAX:
                self._made.clear()
            self._made[key] = basis(
                self.rules,
                self.promise(about),
                channel=about,
                recipient_domain=recipient_domain,
                time_zone=self.time_zone,
                country=country,
            )
        return self._made[key]

    @cached_property
    def _mailboxes(self) -> _Mailboxes:
        every = (*self.rules, *load_rules().values())
        return _Mailboxes(frozenset().union(*(rule.recipient_domains for rule in every)))


def basis(
    rules: Iterable[Rule],
    promise: Promise | None,
    *,
    channel: Matter,
    recipient_domain: str | None,
    time_zone: str,
    country: str | None = None,
) -> Basis:
    """Return every rule that applies, and the promise (RULES L-50).

    `rules` are those the brand lists; the recipient's `country` narrows and widens them (choice).
    `channel` is "third_party_sharing" for an opt-out of sharing: it has its own clock. Where
    neither a promise nor a listed rule applies to an opt-out, the house default does; about
    another matter, NoRuleAbout is raised.
    """
    choice = choose(rules, channel, country=country, recipient_domain=recipient_domain)
    return Basis(
        windows=tuple(_windows(choice, promise, channel)),
        target=promise.as_rule(promise.target) if promise and promise.target else None,
        time_zone=time_zone,
        country=country,
        added=choice.added,
        dropped=choice.dropped,
    )


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
    """Return the earliest of every rule that applies and the promise; the rest is as in `basis`.

    The target never lies behind the deadline.
    """
    return basis(
        rules,
        promise,
        channel=channel,
        recipient_domain=recipient_domain,
        time_zone=time_zone,
        country=country,
    ).deadline(moments)


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
