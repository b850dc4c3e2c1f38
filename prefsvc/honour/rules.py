"""Windows as data: the rules of laws and mail providers, and what brands promise."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from prefsvc.address import Channel
from prefsvc.honour.span import Span

ChannelOrPurpose = Channel | Literal["third_party_sharing"]
"""What an opt-out is of: messages on a channel, or the sharing of data with third parties."""

CHANNELS_AND_PURPOSES: Final[tuple[ChannelOrPurpose, ...]] = (
    *get_args(Channel),
    "third_party_sharing",
)

Matter = ChannelOrPurpose | Literal["privacy_request", "notice", "registry"]
"""What a rule is about: an opt-out, or one of the things that never enter an opt-out's deadline.

Those are: doing what a privacy request asks, telling a person what was done, and reading a public
register of deletions again.
"""

MATTERS: Final[tuple[Matter, ...]] = (
    *CHANNELS_AND_PURPOSES,
    "privacy_request",
    "notice",
    "registry",
)

CountedFrom = Literal["sent", "submitted", "used", "received", "pulled", "unsaid"]
"""The moment that starts the clock, in the law's own word (RULES L-52)."""

Ends = Literal["end_of_day", "start_of_day", "same_time"]
"""Where on its last day a window ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One law's or provider's window, as it is written down."""

    id: str
    title: str
    source: str
    window: Span
    counted_from: CountedFrom
    about: frozenset[Matter]
    countries: frozenset[str] = frozenset()
    """Whose recipients it is about (ISO 3166); empty means wherever they are."""
    first_day_counts: bool = False
    ends: Ends = "end_of_day"
    holidays: str | None = None
    """Whose holidays are no business days: "US", "GB-ENG"."""
    time_zone: str | None = None
    """The zone whose days are counted, where the rule says so; otherwise the brand's."""
    time_zones: tuple[str, ...] = ()
    """Further zones that could be meant; the earliest of all is the conservative one (L-51)."""
    recipient_domains: frozenset[str] = frozenset()
    """The mailboxes it is about: "gmail.com", or "yahoo.*" for any ending; empty means all."""

    def __post_init__(self) -> None:
        """Refuse what cannot be reckoned."""
        if self.ends == "same_time" and self.window.unit in ("business_days", "months"):
            raise ValueError("business days and months end with a day, not at a time of day")

    def applies_to(self, about: Matter, recipient_domain: str | None) -> bool:
        """Say whether it covers a message on this channel to a mailbox at this domain.

        A domain that is not known could be any, so every rule of the channel applies (L-51).
        """
        if about not in self.about:
            return False
        if not self.recipient_domains or recipient_domain is None:
            return True
        domain = recipient_domain.rstrip(".").casefold()
        provider, dot, _ = domain.partition(".")
        return domain in self.recipient_domains or f"{provider}{dot}*" in self.recipient_domains


@dataclass(frozen=True, slots=True)
class Promise:
    """What a brand has published: a window, and the target it aims at (RULES L-41)."""

    about: ChannelOrPurpose
    window: Span
    target: Span | None = None
    holidays: str | None = None
    """Whose holidays are no business days, where it is made in business days."""

    def as_rule(self, span: Span) -> Rule:
        """Return its window, or its target, in the form in which laws are reckoned.

        A promise does not say which moment starts it.
        """
        return Rule(
            id=PROMISE_ID,
            title=PROMISE_TITLE,
            source=PROMISE_SOURCE,
            window=span,
            counted_from="unsaid",
            about=frozenset({self.about}),
            holidays=self.holidays,
        )


PROMISE_ID: Final = "promise"
PROMISE_TITLE: Final = "the brand's own promise"
PROMISE_SOURCE: Final = "the brand's file (L-41)"

HOUSE_DEFAULT: Final = Rule(
    id="house-default",
    title="the house default, since neither a rule nor a promise applies",
    source="docs/brands.md",
    window=Span(10, "calendar_days"),
    counted_from="unsaid",
    about=frozenset(CHANNELS_AND_PURPOSES),
)
"""What applies to an opt-out where nothing else does, so that there is always a deadline."""
