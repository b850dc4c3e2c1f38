"""Which rules count for one opt-out: those the brand lists, and what the recipient's country says.

A rule that names countries is dropped where the recipient is known to be elsewhere; every rule of a
country counts for its recipients, whether the brand lists it or not. Where the country is not
known, the brand's list counts as it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from prefsvc.honour.rule_file import load_rules
from prefsvc.honour.rules import HOUSE_DEFAULT, Matter, Promise, Rule


@dataclass(frozen=True, slots=True)
class Choice:
    """The rules that count for a recipient, and what their country had to do with it."""

    rules: tuple[Rule, ...]
    added: tuple[str, ...] = ()
    """Rules of the recipient's country that the brand does not list, by id."""
    dropped: tuple[str, ...] = ()
    """Rules that the brand lists and that are about other countries, by id."""


def choose(
    listed: Iterable[Rule], about: Matter, *, country: str | None, recipient_domain: str | None
) -> Choice:
    """Return which rules count for a recipient in this country, or in one that is not known."""
    ours = [rule for rule in listed if rule.applies_to(about, recipient_domain)]
    if country is None:
        return Choice(tuple(ours))
    kept = [rule for rule in ours if not rule.countries or country in rule.countries]
    known = {rule.id for rule in ours}
    added = [
        rule
        for rule in load_rules().values()
        if country in rule.countries
        and rule.id not in known
        and rule.applies_to(about, recipient_domain)
    ]
    return Choice(
        (*kept, *added),
        added=tuple(rule.id for rule in added),
        dropped=tuple(rule.id for rule in ours if rule not in kept),
    )


def could_count(listed: Iterable[Rule], promise: Promise | None, about: Matter) -> tuple[Rule, ...]:
    """Return every window that could come to count for some recipient, wherever they are."""
    ours = [rule for rule in listed if about in rule.about]
    anywhere = [rule for rule in load_rules().values() if rule.countries and about in rule.about]
    windows = [*ours, *anywhere]
    if promise:
        windows.append(promise.as_rule(promise.window))
    elif all(rule.recipient_domains or rule.countries for rule in ours):
        windows.append(HOUSE_DEFAULT)  # for a recipient whom none of them is about
    return tuple(windows)
