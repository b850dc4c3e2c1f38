"""Windows as data: the rules of laws and mail providers (`rules.toml`), and brands' promises."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal, Self, TypeVar, get_args

from prefsvc.address import Channel
from prefsvc.honour.business_days import is_known_calendar, zone
from prefsvc.honour.span import Span

T = TypeVar("T")

ChannelOrPurpose = Channel | Literal["third_party_sharing"]
"""What a window is for: messages on a channel, or the sharing of data with third parties."""

CHANNELS_AND_PURPOSES: Final[tuple[ChannelOrPurpose, ...]] = (
    *get_args(Channel),
    "third_party_sharing",
)

CountedFrom = Literal["sent", "submitted", "used", "received", "unsaid"]
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
    channels: frozenset[ChannelOrPurpose]
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
        if not self.channels:
            raise ValueError("no channel is named")
        if self.ends == "same_time" and self.window.unit == "business_days":
            raise ValueError("business days end with a day, not at a time of day")

    @classmethod
    def from_table(cls, rule_id: str, table: Mapping[str, object]) -> Self:
        """Read one table of rules.toml, which ships with the program: what is wrong is a fault."""
        left = dict(table)
        try:
            made = cls(
                id=rule_id,
                title=_text(left.pop("title")),
                source=_text(left.pop("source")),
                window=Span.parse(_text(left.pop("window"))),
                counted_from=_one_of(get_args(CountedFrom), left.pop("counted_from")),
                channels=frozenset(
                    _one_of(CHANNELS_AND_PURPOSES, one) for one in _list(left.pop("channels"))
                ),
                first_day_counts=_flag(left.pop("first_day_counts", False)),
                ends=_one_of(get_args(Ends), left.pop("ends", "end_of_day")),
                holidays=_calendar(left.pop("holidays", None)),
                time_zone=_zone(left.pop("time_zone", None)),
                time_zones=tuple(zone(_text(one)).key for one in _list(left.pop("time_zones", []))),
                recipient_domains=frozenset(
                    _text(one) for one in _list(left.pop("recipient_domains", []))
                ),
            )
        except (KeyError, ValueError) as e:
            raise ValueError(f"rule {rule_id}: {e}") from e
        if left:
            raise ValueError(f"rule {rule_id}: unknown keys {sorted(left)}")
        return made

    def applies_to(self, channel: ChannelOrPurpose, recipient_domain: str | None) -> bool:
        """Say whether it covers a message on this channel to a mailbox at this domain.

        A domain that is not known could be any, so every rule of the channel applies (L-51).
        """
        if channel not in self.channels:
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
            title=f"the brand's own promise ({self.about.replace('_', ' ')})",
            source="the brand's file",
            window=span,
            counted_from="unsaid",
            channels=frozenset({self.about}),
            holidays=self.holidays,
        )


PROMISE_ID: Final = "promise"

HOUSE_DEFAULT: Final = Rule(
    id="house-default",
    title="the house default, since neither a rule nor a promise applies",
    source="docs/brands.md",
    window=Span(10, "calendar_days"),
    counted_from="unsaid",
    channels=frozenset(CHANNELS_AND_PURPOSES),
)
"""What applies where nothing else does, so that there is always a deadline."""


def parse_rules(text: str) -> dict[str, Rule]:
    """Read rules.toml: one table for each rule, under its id."""
    rules = {}
    for rule_id, table in tomllib.loads(text).items():
        if rule_id in (PROMISE_ID, HOUSE_DEFAULT.id) or not isinstance(table, dict):
            raise ValueError(f"rule {rule_id}: not a table of its own, or a reserved id")
        rules[rule_id] = Rule.from_table(rule_id, table)
    return rules


@cache
def load_rules() -> Mapping[str, Rule]:
    """Return the rules that ship with prefsvc, by id."""
    return parse_rules(files("prefsvc.honour").joinpath("rules.toml").read_text("utf-8"))


def rules_of(ids: Iterable[str]) -> tuple[Rule, ...]:
    """Return the rules with these ids; a brand that was read names only those there are."""
    rules = load_rules()
    return tuple(rules[one] for one in ids)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")  # noqa: TRY004 - one kind of fault for a bad file
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")  # noqa: TRY004 - as above
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is not a list")  # noqa: TRY004 - as above
    return value


def _one_of(allowed: tuple[T, ...], value: object) -> T:
    for one in allowed:
        if one == value:
            return one
    raise ValueError(f"{value!r} is none of {', '.join(map(str, allowed))}")


def _calendar(value: object) -> str | None:
    if value is None or (isinstance(value, str) and is_known_calendar(value)):
        return value
    raise ValueError(f"no holidays are known for {value!r}")


def _zone(value: object) -> str | None:
    return None if value is None else zone(_text(value)).key
