"""What is said around a request and changes nothing about it: greetings, thanks, curses."""

from collections.abc import Iterator, Sequence
from typing import Final

from prefsvc.intent.language import Languages, Words
from prefsvc.intent.spelling import BREAK

_LENGTHS: Final = (4, 3, 2, 1)  # of a courtesy, in words


def without_idle(words: Sequence[str], known: Languages) -> list[str]:
    """Return a text's words without those that say nothing wherever they stand."""
    return list(_telling(words, known))


def bare(words: Sequence[str], known: Languages) -> list[str]:
    """Return them without courtesies as well, and without clauses that were nothing else."""
    clauses = " ".join(words).split(BREAK)
    trimmed = [" ".join(_trimmed(tuple(clause.split()), known)) for clause in clauses]
    return f" {BREAK} ".join(filter(None, trimmed)).split()


def _telling(words: Sequence[str], known: Languages) -> Iterator[str]:
    at = 0
    while at < len(words):
        idle = known.anywhere.get(words[at], ())
        length = next((len(one) for one in idle if tuple(words[at : at + len(one)]) == one), 0)
        if not length:
            yield words[at]
        at += length or 1


def _trimmed(clause: Words, known: Languages) -> Words:
    keyword = known.keywords.get(" ".join(clause))
    if keyword is not None and keyword.outcome == "ask":
        return clause  # "no thanks" is more than "no"
    while length := _courtesy(known, [clause[:n] for n in _LENGTHS]):
        clause = clause[length:]
    while length := _courtesy(known, [clause[-n:] for n in _LENGTHS]):
        clause = clause[:-length]
    return clause


def _courtesy(known: Languages, ends: Sequence[Words]) -> int:
    return next((len(end) for end in ends if end in known.ends), 0)
