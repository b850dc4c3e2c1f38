"""Countries, by their ISO 3166 alpha-2 codes: which there are, and what they are called.

The table is the one that comes with the time zones (`tzdata`), so it is kept up with them.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from prefsvc.errors import UnknownCountry


def parse_country(text: str, *, pointer: str | None = None) -> str:
    """Read a country, or refuse; `pointer` says where it stood."""
    if text in _names():
        return text
    raise UnknownCountry(pointer=pointer)


def known_country(text: str | None) -> str | None:
    """Return a country that there is; anything else says nothing about where somebody is."""
    return text if text in _names() else None


def country_name(country: str) -> str:
    """Return the usual English name of a country; its code where it has none any more."""
    return _names().get(country, country)


@cache
def _names() -> Mapping[str, str]:
    table = files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text("utf-8")
    return dict(line.split("\t") for line in table.splitlines() if not line.startswith("#"))
