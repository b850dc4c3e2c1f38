"""The languages we read: keywords and phrases from languages/*.toml, put together once.

A file holds, each optional:
  [keywords.<intent>]  rule = [words]: the whole message is this; "everything" is a wide stop
  ends = [...]         courtesies and curses that may stand at either end of a clause
  anywhere = [...]     those that say nothing wherever they stand
  laughs = [...]       make fun of "stop it", not of "stop texting me"
  by_itself = [...]    keywords that are a request even with a reason beside them
  long_words = [...]   read with one letter wrong
  mistyped = "..."     shorter ones that are often mistyped, and
  no_slips = "..."     words of their own that resemble these
  run_together = "..." words that are written without a space between them
  [spelling]           as written = "as meant"
  [words]              names for lists of words, for use in patterns as <name>
  [stop] [brief] [question] [ask] [perhaps] [ordinary] [everything]
                       rule = [patterns] of that kind (see grammar.py); "brief" ones ask to stop
                       where they are most of what was said; "question" ones ask whether we do;
                       "ordinary" keeps the phrases that hold a request's words and ask for none
  [matters]            business = words of other things that can be stopped,
                       texting = words that say that it is the texts that should stop
"""

import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from prefsvc.intent.grammar import Grammar, Kind, expanded
from prefsvc.intent.spelling import BREAK, Speller, plain, slips_of, tokens

Outcome = Literal["stop", "start", "help", "ask", "everything"]
Words = tuple[str, ...]
Documents = Mapping[str, Mapping[str, Any]]

_KINDS: Final[tuple[Kind, ...]] = (
    "stop",
    "brief",
    "question",
    "ask",
    "perhaps",
    "ordinary",
)
_WIDE: Final[tuple[Kind, ...]] = ("everything",)
_FIRST: Final = "en"  # whose word counts where several languages share one


@dataclass(frozen=True, slots=True)
class Keyword:
    """A word that is a whole message."""

    outcome: Outcome
    rule: str
    language: str


@dataclass(frozen=True, slots=True)
class Languages:
    """All languages at once: a person need not write in the one that the brand expects."""

    speller: Speller
    keywords: Mapping[str, Keyword]
    """By the word or words, one space between them."""
    joined: Mapping[str, Keyword]
    """Those that stop, by their letters alone: only these may be pulled apart ("opt-out")."""
    ends: frozenset[Words]
    anywhere: Mapping[str, Sequence[Words]]
    """By the first word."""
    requests: Grammar
    laughs: frozenset[str]
    by_itself: frozenset[str]
    business: frozenset[str]
    texting: frozenset[str]
    wide: Grammar
    """What a stop says where it means more than these texts."""


@cache
def languages() -> Languages:
    """Read every language's file; about a fifth of a second, the first time."""
    documents = _documents()
    spelled = _Spelling(documents)
    requests, wide = _grammar(documents, _KINDS, spelled), _grammar(documents, _WIDE, spelled)
    keywords = dict(_keywords(documents, spelled))
    return Languages(
        speller=Speller(
            vocabulary=frozenset({*requests.first_words(), *_parts(keywords)}),
            corrections=spelled.corrections,
            long_words=frozenset(map(" ".join, _listed(documents, "long_words", spelled))),
            slips=_slips(documents, {*requests.words(), *spelled.corrections}),
            run_together=frozenset(_listed_words(documents, "run_together")),
        ),
        keywords=keywords,
        joined={
            word.replace(" ", ""): keyword
            for word, keyword in keywords.items()
            if keyword.outcome in {"stop", "everything"}
        },
        ends=frozenset(_listed(documents, "ends", spelled)),
        anywhere=_by_first(_listed(documents, "anywhere", spelled)),
        requests=requests,
        laughs=frozenset(_listed_words(documents, "laughs")),
        by_itself=frozenset(map(" ".join, _listed(documents, "by_itself", spelled))),
        business=frozenset(_matters(documents, "business", spelled)),
        texting=frozenset(_matters(documents, "texting", spelled)),
        wide=wide,
    )


class _Spelling:
    """Spells a file's words as a text's will be: a slip in one language is a word in another."""

    def __init__(self, documents: Documents) -> None:
        self.corrections: dict[str, str] = {}
        self.corrections |= {
            " ".join(self(written)): " ".join(self(meant))
            for document in documents.values()
            for written, meant in document.get("spelling", {}).items()
        }

    def __call__(self, said: str) -> Words:
        found = (self.corrections.get(word, word) for word in tokens(plain(said)) if word != BREAK)
        return tuple(" ".join(found).split())


def _documents() -> Documents:
    folder = files("prefsvc.intent") / "languages"
    found = {
        file.name.removesuffix(".toml"): tomllib.loads(file.read_text("utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    }
    return dict(sorted(found.items(), key=lambda one: (one[0] != _FIRST, one[0])))


def _grammar(documents: Documents, kinds: Sequence[Kind], spelled: _Spelling) -> Grammar:
    grammar = Grammar(spelled)
    for language, document in documents.items():
        for kind in kinds:
            for rule, patterns in document.get(kind, {}).items():
                for pattern in patterns:
                    grammar.add(language, kind, rule, pattern, document.get("words", {}))
    return grammar


def _keywords(documents: Documents, spelled: _Spelling) -> Iterator[tuple[str, Keyword]]:
    """Yield the keywords, the first language last, so that its own stand."""
    for language, document in reversed([*documents.items()]):
        for outcome, rules in document.get("keywords", {}).items():
            for rule, words in rules.items():
                for word in words:
                    yield " ".join(spelled(word)), Keyword(outcome, rule, language)


def _slips(documents: Documents, known: Collection[str]) -> Mapping[str, str]:
    """Return every slip in a word that is often mistyped, where that makes no other known word."""
    others = {*known, *_listed_words(documents, "no_slips")}
    mistyped = list(_listed_words(documents, "mistyped"))
    return {slip: word for word in mistyped for slip in slips_of(word) if slip not in others}


def _listed_words(documents: Documents, name: str) -> Iterator[str]:
    for document in documents.values():
        yield from plain(document.get(name, "")).split()


def _parts(keywords: Iterable[str]) -> Iterator[str]:
    """Yield what may be underneath a disguise: each word of a keyword, and all of them as one."""
    for keyword in keywords:
        yield from (*keyword.split(), keyword.replace(" ", ""))


def _listed(documents: Documents, name: str, spelled: _Spelling) -> list[Words]:
    return [spelled(one) for document in documents.values() for one in document.get(name, ())]


def _matters(documents: Documents, name: str, spelled: _Spelling) -> Iterator[str]:
    for document in documents.values():
        said = document.get("matters", {}).get(name, "")
        for words in expanded(said.replace(" ", "|"), document.get("words", {})).split("|"):
            parts = spelled(words.replace("_", " "))
            if len(parts) == 1:  # those of "this_number" and "rendez-vous" say nothing alone
                yield from parts


def _by_first(listed: Sequence[Words]) -> dict[str, list[Words]]:
    found: dict[str, list[Words]] = {}
    for words in sorted(listed, key=len, reverse=True):
        found.setdefault(words[0], []).append(words)
    return found
