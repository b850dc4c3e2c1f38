"""Honour windows: by when an opt-out must have reached every sender, and how that was counted.

`deadline(rules, promise, moments)` is the whole of it; RULES L-50 to L-55 are what it obeys, and
docs/brands.md explains it. Pure: the clock is the caller's, the rules are data (`rules.toml`).
"""

from prefsvc.honour.basis import Basis
from prefsvc.honour.business_days import CALENDAR_VERSION, is_known_calendar
from prefsvc.honour.choice import Choice, choose
from prefsvc.honour.counting import Bases, basis, deadline, shortest_window
from prefsvc.honour.earliest import Deadline
from prefsvc.honour.explanation import day_in_words, moment_in_words, sentence, start_in_words
from prefsvc.honour.lines import Due
from prefsvc.honour.reckoning import Ending, Moments, Reckoning, could_end_before
from prefsvc.honour.rule_file import load_rules, parse_rules, rules_of
from prefsvc.honour.rules import (
    CHANNELS_AND_PURPOSES,
    HOUSE_DEFAULT,
    MATTERS,
    PROMISE_ID,
    ChannelOrPurpose,
    Matter,
    Promise,
    Rule,
)
from prefsvc.honour.span import Span, Unit

__all__ = [
    "CALENDAR_VERSION",
    "CHANNELS_AND_PURPOSES",
    "HOUSE_DEFAULT",
    "MATTERS",
    "PROMISE_ID",
    "Bases",
    "Basis",
    "ChannelOrPurpose",
    "Choice",
    "Deadline",
    "Due",
    "Ending",
    "Matter",
    "Moments",
    "Promise",
    "Reckoning",
    "Rule",
    "Span",
    "Unit",
    "basis",
    "choose",
    "could_end_before",
    "day_in_words",
    "deadline",
    "is_known_calendar",
    "load_rules",
    "moment_in_words",
    "parse_rules",
    "rules_of",
    "sentence",
    "shortest_window",
    "start_in_words",
]
