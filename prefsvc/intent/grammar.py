"""Phrases: what people say, written as patterns of words, and where a text has them.

A pattern is a row of places, parted by spaces:
  stop|quit     one of these words; an underscore joins several: do_not
  <contact>     one of the words of that name, in the same language
  me?           this, or nothing
  *             one word, whatever it is
  ...           up to four words, whatever they are, in the same clause
  ^  $          here a clause begins, or ends; `$|now`: it ends, or there is "now"
  $$            here the text ends
  ,             here another clause may begin
  !a|b          neither of these words comes next
  topic:offers  as `offers`, and it is what the request is about
Matching goes from left to right. At each word the longest phrase wins and takes its words with it,
so that "won't stop calling me" never reaches "stop calling me". A doubtful one takes its first word
alone, because a request may follow in it ("who is this stop texting"), unless it asks whether we
stop. A place is tried a bounded number of times, so that the whole takes time in proportion to the
text.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from prefsvc.intent.spelling import BREAK

Kind = Literal["stop", "brief", "question", "ask", "perhaps", "ordinary", "everything"]

# What a word that begins several phrases is taken for: the surest first, the longest of those.
_SURENESS: Final[Mapping[Kind, int]] = {
    "ordinary": 2,
    "stop": 2,
    "brief": 2,
    "question": 2,
    "everything": 2,
    "ask": 1,
    "perhaps": 0,
}

_MARKS: Final = {
    "...": r"(?:[^. ]+ ){0,4}?",
    "*": r"[^. ]+ ",
    "^": r"(?<=\. )",
    "$": r"(?=\. )",
    "$$": r"(?=\. (?:\. )?\Z)",
    ",": r"(?:\. )?",
}
_OTHER_THAN: Final = "!"
_TOPIC: Final = "topic:"
_CLASS: Final = re.compile(r"<(\w+)>")


@dataclass(frozen=True, slots=True)
class Phrase:
    """One way to say something."""

    kind: Kind
    rule: str
    language: str
    pattern: str  # a regular expression over words, each followed by one space


@dataclass(frozen=True, slots=True)
class Found:
    """A phrase, and the words of the text that are it."""

    phrase: Phrase
    topic: str | None
    words: frozenset[str]
    span: range
    """Where it stands, in letters of the text's words."""


class Grammar:
    """Phrases by their first word."""

    def __init__(self, spelled: Callable[[str], Sequence[str]]) -> None:
        """Take how the words of a pattern are spelled: as those of the texts are."""
        self._spelled = cache(spelled)  # the same few words make up all the phrases
        self._by_first: dict[str, list[Phrase]] = {}
        self._words: set[str] = set()

    def add(
        self, language: str, kind: Kind, rule: str, pattern: str, classes: Mapping[str, str]
    ) -> None:
        """Add one pattern."""
        places = expanded(pattern, classes).split()
        phrase = Phrase(kind, rule, language, "".join(map(self._expression, places)))
        self._words |= {word for place in places for word in self._said(place)}
        for first in self._firsts(places):
            self._by_first.setdefault(first, []).append(phrase)

    def phrases(self) -> Iterator[Phrase]:
        """Yield every phrase, once for each word that may begin it."""
        for phrases in self._by_first.values():
            yield from phrases

    def first_words(self) -> Iterator[str]:
        """Yield every word that begins a phrase."""
        yield from self._by_first

    def words(self) -> Iterator[str]:
        """Yield every word of a phrase."""
        yield from self._words

    def search(self, words: Sequence[str]) -> Iterator[Found]:
        """Yield the phrases of a text from left to right; none overlaps another."""
        text = "".join(f"{word} " for word in (BREAK, *words, BREAK))
        at, until = len(BREAK) + 1, 0
        for word in words:
            if at >= until and (match := self._longest(word, text, at)):
                phrase, found = match
                until = found.end() if _SURENESS[phrase.kind] > 1 else at
                topic = found.groupdict().get("topic")
                yield Found(phrase, topic, frozenset(found[0].split()), range(*found.span()))
            at += len(word) + 1

    def _longest(self, word: str, text: str, at: int) -> tuple[Phrase, re.Match[str]] | None:
        found = (
            (phrase, match)
            for phrase in self._by_first.get(word, ())
            if (match := _compiled(phrase.pattern).match(text, at))
        )
        return max(found, key=lambda one: _weight(*one), default=None)

    def _expression(self, place: str) -> str:
        if place in _MARKS:
            return _MARKS[place]
        alternatives = "|".join(
            _MARKS.get(words) or re.escape(words) for words in self._alternatives(place)
        )
        if place.startswith(_OTHER_THAN):
            return f"(?!{alternatives})"
        group = "?P<topic>" if place.startswith(_TOPIC) else "?:"
        return f"({group}{alternatives}){'?' if place.endswith('?') else ''}"

    def _alternatives(self, place: str) -> list[str]:
        """Return the alternatives of a place, the longest first: the longest phrase wins."""
        said = place.removeprefix(_TOPIC).removeprefix(_OTHER_THAN).removesuffix("?").split("|")
        return sorted(map(self._row, said), key=len, reverse=True)

    def _said(self, place: str) -> Iterator[str]:
        for words in self._alternatives(place) if place not in _MARKS else ():
            yield from words.split() if words not in _MARKS else ()

    def _row(self, said: str) -> str:
        if said in _MARKS:
            return said
        row = "".join(f"{word} " for word in self._spelled(said.replace("_", " ")))
        if not row:
            raise ValueError(f"no word in {said!r}")
        return row

    def _firsts(self, places: Sequence[str]) -> set[str]:
        """Return the words that may begin a phrase: those of its places up to one that must be."""
        found: set[str] = set()
        for place in places:
            if place == "^":
                continue
            if place in _MARKS:
                break
            found |= {words.split()[0] for words in self._alternatives(place)}
            if not place.endswith("?"):
                return found
        raise ValueError(f"a phrase needs a word that begins it: {places}")


def _weight(phrase: Phrase, match: re.Match[str]) -> tuple[int, int, bool, bool]:
    # Of phrases of the same words, an ordinary one keeps a request from being one, and one that
    # knows the topic says more.
    is_ordinary = phrase.kind in {"ordinary", "question"}
    return _SURENESS[phrase.kind], match.end(), is_ordinary, "topic" in match.groupdict()


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def expanded(pattern: str, classes: Mapping[str, str]) -> str:
    """Return the pattern with its named lists of words written out."""
    while "<" in pattern:
        pattern = _CLASS.sub(lambda name: "|".join(classes[name[1]].split()), pattern)
    return pattern
