"""Kinds of values that every declared file has: each reads a text, or says what it must be."""

import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from typing import TypeVar
from zoneinfo import available_timezones

from prefsvc.declared.table import allowed

T = TypeVar("T", bound=str)


def text_of(most: int) -> Callable[[str], str]:
    """Return a reader of a text of one line; line breaks in the file become spaces."""

    def parse(text: str) -> str:
        line = " ".join(text.split())
        if not line:
            raise ValueError("must not be empty")
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in line):
            raise ValueError("must not contain control characters")
        if len(line) > most:
            raise ValueError(f"has {len(line)} characters; the most is {most}")
        return line

    return parse


def one_of(words: Iterable[T]) -> Callable[[str], T]:
    """Return a reader of one of these words."""
    known = {str(word): word for word in words}

    def parse(text: str) -> T:
        if text in known:
            return known[text]
        raise ValueError(f'"{text}" is not known here; {allowed(text, known)}')

    return parse


def time_zone(text: str) -> str:
    """Read an IANA time zone."""
    if text in _time_zones():
        return text
    raise ValueError(f'"{text}" is not an IANA time zone; {_near(text, _time_zones())}')


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _near(text: str, known: Iterable[str]) -> str:
    # All of them would be pages; the one that was probably meant, or an example, will do.
    meant, question, _ = allowed(text, known).partition("? ")
    return f"{meant}?" if question else 'write it as "America/New_York"'
