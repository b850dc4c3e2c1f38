"""The words to people, on pages and in mails: one file a language, and which language to speak."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from typing import Any, Final

from markupsafe import Markup, escape

from prefsvc.address import Channel

DEFAULT_LANGUAGE: Final = "en"

_HEADER_CHARS_MAX: Final = 500  # of an Accept-Language; what follows is nobody's first choice
_RANGE: Final = re.compile(
    r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?"
)


Fields = Mapping[str, Markup]
"""What a text may name, ready for a page."""


@dataclass(frozen=True, slots=True)
class Texts:
    """One language: its own name, its direction, its dates, and a text for every key."""

    language: str
    name: str
    direction: str
    months: tuple[str, ...]
    date_pattern: str
    first_day: str
    by_key: Mapping[str, str]

    def written_day(self, day: date) -> str:
        """Write a date so that it can be read in one way only, and never breaks across lines."""
        written = self.date_pattern.format(
            day=self.first_day if day.day == 1 else day.day,
            month=self.months[day.month - 1],
            year=day.year,
        )
        return written.replace(" ", "\N{NO-BREAK SPACE}")

    def day(self, day: date) -> Markup:
        """Write a date for a page."""
        written = self.written_day(day)
        return Markup('<time datetime="{}">{}</time>').format(day.isoformat(), written)

    def say(self, key: str, channel: Channel | None, fields: Fields) -> Markup:
        """Return a text, in the form for this channel where it has several, with its fields."""
        return escape(self._text(key, channel)).format_map(fields)

    def say_plainly(self, key: str, channel: Channel, fields: Mapping[str, str]) -> str:
        """Return a text for a mail, where nothing is marked up."""
        return self._text(key, channel).format_map(fields)

    def _text(self, key: str, channel: Channel | None) -> str:
        return self.by_key.get(key) or self.by_key[f"{key}.{channel}"]


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of one page with its fields: called by a template with a key."""

    texts: Texts
    channel: Channel | None
    fields: Fields

    def __call__(self, key: str) -> Markup:
        """Say it."""
        return self.texts.say(key, self.channel, self.fields)


def _texts(language: str, document: Mapping[str, Any]) -> Texts:
    dates = document["date"]
    return Texts(
        language=language,
        name=document["name"],
        direction=document["direction"],
        months=tuple(dates["months"]),
        date_pattern=dates["pattern"],
        first_day=dates["first_day"],
        by_key=dict(_flat(document)),
    )


def _flat(table: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{name}.")
        elif isinstance(value, str):
            yield f"{path}{name}", value


def _all_texts() -> Iterator[Texts]:
    for file in resources.files("prefsvc.wording").iterdir():
        if file.name.endswith(".toml"):
            yield _texts(file.name.removesuffix(".toml"), tomllib.loads(file.read_text("utf-8")))


TEXTS: Final[Mapping[str, Texts]] = {
    texts.language: texts for texts in sorted(_all_texts(), key=lambda one: one.language)
}
"""Every language that is spoken, by its code."""


def page_language(
    wished: Iterable[str | None], offered: Iterable[str] = (DEFAULT_LANGUAGE, *TEXTS)
) -> str:
    """Return the first wished-for language that is offered: "fr" for "fr-CA", too.

    Wishes come strongest first: the switch on the page, the link's language, the browser's, the
    brand's. Where none can be had, the first one offered stands.
    """
    spoken = [code for code in offered if code in TEXTS] or [DEFAULT_LANGUAGE]
    wanted = (re.split("[-_]", wish.lower())[0] for wish in wished if wish)
    return next((code for code in wanted if code in spoken), spoken[0])


def language_of_mail(wished: Iterable[str | None], brands: Iterable[str]) -> str:
    """Return the first wished-for of a brand's languages that is spoken, else the brand's first.

    A mail goes out in the brand's name: in a language that the brand does not speak, whoever
    answers to it would not be understood.
    """
    return page_language(wished, [re.split("[-_]", one.lower())[0] for one in brands])


def accepted_languages(header: str | None) -> list[str]:
    """Return the languages of an Accept-Language header, best first, without what is none."""
    found: list[tuple[float, str]] = []
    for part in (header or "")[:_HEADER_CHARS_MAX].split(","):
        match = _RANGE.fullmatch(part)
        if match and (quality := float(match[2] or 1)) > 0:
            found.append((quality, match[1].lower()))
    return [language for _, language in sorted(found, key=lambda one: -one[0])]
