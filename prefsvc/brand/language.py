"""Languages by their tags (BCP 47): one spelling for each, and the best of several."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

_TAG: Final = re.compile(
    r"(?P<language>[a-z]{2,3})(-(?P<script>[a-z]{4}))?(-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)",
    re.IGNORECASE,
)


def parse_language(text: str) -> str:
    """Return a tag as RFC 5646 §2.1.1 recommends writing it: "en", "pt-BR", "zh-Hant-TW"."""
    match = _TAG.fullmatch(text)
    if not match:
        raise ValueError(f'"{text}" is not a language tag; write it as "en", "fr-CA" or "zh-Hant"')
    script, region = match["script"] or "", match["region"] or ""
    parts = [match["language"].lower(), script.title(), region.upper()]
    return "-".join(filter(None, parts)) + match["variants"].lower()


def best_language(preferred: Iterable[str], languages: Sequence[str]) -> str:
    """Return the one of `languages` that fits best what somebody prefers, or else the first.

    Each preference, in order, is shortened from its end until one fits (RFC 4647 §3.4); then any
    language that it is the beginning of will do, so that "fr" finds "fr-CA".
    """
    by_lower = {one.lower(): one for one in reversed(languages)}
    for tag in preferred:
        wanted = tag.lower()
        while wanted:
            if wanted in by_lower:
                return by_lower[wanted]
            wanted = wanted.rpartition("-")[0]
        bare = tag.lower().partition("-")[0]
        if found := [one for one in languages if one.lower().partition("-")[0] == bare]:
            return found[0]
    return languages[0]
