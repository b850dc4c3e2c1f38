"""Reading rules.toml, which ships with prefsvc: every rule of it, or all that is wrong in it."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Final, TypeVar, get_args

from prefsvc.country import known_country
from prefsvc.declared import Table, read_file
from prefsvc.declared.kinds import one_of, text_of, time_zone
from prefsvc.errors import RulesRefusal
from prefsvc.honour.business_days import is_known_calendar
from prefsvc.honour.rules import (
    HOUSE_DEFAULT,
    MATTERS,
    PROMISE_ID,
    PROMISE_SOURCE,
    PROMISE_TITLE,
    CountedFrom,
    Ends,
    Rule,
)
from prefsvc.honour.span import Span

T = TypeVar("T")

_FILE: Final = "rules.toml"
_ID: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_RESERVED: Final = (PROMISE_ID, HOUSE_DEFAULT.id)
_STARTS: Final[tuple[CountedFrom, ...]] = ("sent", "submitted", "used", "received", "pulled")
_ENDS: Final[tuple[Ends, ...]] = get_args(Ends)
_DOMAIN: Final = re.compile(r"(?:[a-z0-9-]+\.)+(?:[a-z0-9-]+|\*)")
_TEXT: Final = text_of(200)
_MANY: Final = 100  # countries, zones or domains of one rule; more are a slip


@cache
def load_rules() -> Mapping[str, Rule]:
    """Return the rules that ship with prefsvc, by id."""
    return parse_rules(files("prefsvc.honour").joinpath(_FILE).read_text("utf-8"))


def rules_of(ids: Iterable[str]) -> tuple[Rule, ...]:
    """Return the rules with these ids; a brand that was read names only those there are."""
    rules = load_rules()
    return tuple(rules[one] for one in ids)


def title_and_source(rule_id: str) -> tuple[str, str]:
    """Return what a window is called and where it is written.

    Of a rule that prefsvc no longer has there is only its id.
    """
    if rule_id == PROMISE_ID:
        return PROMISE_TITLE, PROMISE_SOURCE
    rule = HOUSE_DEFAULT if rule_id == HOUSE_DEFAULT.id else load_rules().get(rule_id)
    return (rule.title, rule.source) if rule else (rule_id, "")


def parse_rules(text: str) -> dict[str, Rule]:
    """Read a text like rules.toml: one table for each rule, under its id; or refuse it whole."""
    rules, problems = read_file(text, _FILE, _rules)
    if rules is None or problems:
        raise RulesRefusal("\n".join(problems))
    return rules


def _rules(file: Table) -> dict[str, Rule]:
    rules = {}
    for rule_id, table in file.tables().items():
        if rule_id in _RESERVED or not _ID.fullmatch(rule_id):
            file.problem("is no id of a rule, or is taken; name the rule otherwise", rule_id)
        elif rule := _rule(rule_id, table):
            rules[rule_id] = rule
    return rules


def _rule(rule_id: str, table: Table) -> Rule | None:
    counted_from = one_of(_STARTS)
    try:
        rule = Rule(
            id=rule_id,
            title=table.required("title", _TEXT, ""),
            source=table.required("source", _TEXT, ""),
            window=table.required("window", Span.parse, Span(0, "hours")),
            counted_from=table.required("counted_from", counted_from, "received"),
            about=_several(table, "about", one_of(MATTERS)),
            countries=_several(table, "countries", _country),
            first_day_counts=table.flag("first_day_counts", default=False),
            ends=table.optional("ends", one_of(_ENDS), "end_of_day"),
            holidays=table.optional("holidays", _calendar, None),
            time_zone=table.optional("time_zone", time_zone, None),
            time_zones=table.several("time_zones", time_zone, most=_MANY),
            recipient_domains=_several(table, "recipient_domains", _domain),
        )
    except ValueError as error:
        table.problem(str(error), "ends")
        return None
    if table.lacks("about"):
        table.problem(f"about is missing: list at least one of {', '.join(MATTERS)}")
    table.close()
    return rule


def _several(table: Table, key: str, parse: Callable[[str], T]) -> frozenset[T]:
    return frozenset(table.several(key, parse, most=_MANY))


def _country(text: str) -> str:
    if known_country(text):
        return text
    raise ValueError(f'"{text}" is not a country; write its two capital letters (ISO 3166)')


def _calendar(text: str) -> str:
    if is_known_calendar(text):
        return text
    raise ValueError(f'no holidays are known for "{text}"; write "US" or "GB-ENG"')


def _domain(text: str) -> str:
    if _DOMAIN.fullmatch(text):
        return text
    raise ValueError(f'"{text}" is not a domain; write it as gmail.com or yahoo.*')
