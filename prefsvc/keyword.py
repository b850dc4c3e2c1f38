"""Reading an SMS reply that is nothing but a keyword: STOP, START, HELP and their kin.

Rule 1: the whole message is the keyword or there is none; no word is looked for inside a sentence.
Rule 2: case, accents, punctuation, quotes, emoji, invisible characters and full-width letters
do not count (CTIA: capitalisation and punctuation have no effect; RULES S-11, S-13).
Rule 3: doubt is settled towards stopping. Only STOP words may be pulled apart ("opt-out",
"S T O P"); those that let messages flow again are read exactly as listed.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

Outcome = Literal["stop", "start", "help"]
Rule = Literal["fcc_per_se", "carrier", "vendor", "other_language"]


@dataclass(frozen=True, slots=True)
class Keyword:
    """What one keyword asks for, and on whose list it stands."""

    outcome: Outcome
    word: str
    rule: Rule
    everything: bool = False  # STOP ALL names more than the number that it answers


# A text is longer than this only by abuse, and Unicode normalisation takes time in the square of a
# run of accents: 3 s for 64 KB of them, 2 ms for this (measured).
_LONGEST_CHARS: Final = 1600

# Letters and digits; the underscore is punctuation to a person.
_WORD: Final = re.compile(r"[^\W_]+")

# Marks (accents, variation selectors) and format characters (zero-width, soft hyphen, direction).
_UNSEEN: Final = frozenset({"Mn", "Me", "Cf"})

_STOP: Final[Mapping[Rule, tuple[str, ...]]] = {
    # 47 CFR 64.1200(a)(10): each of these revokes consent by itself (S-13).
    "fcc_per_se": ("stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe"),
    # What Twilio, Telnyx, AWS and CTIA add to them (S-11, S-13). TD and ARRET are AWS's for Canada.
    "carrier": ("stop all", "remove", "td", "arret", "please opt me out"),
    # NO is on Adobe's list only. Most marketing texts ask nothing, so a bare NO means "none of
    # this"; where one did ask, silence is the cheaper mistake: START undoes it, an unwanted text
    # is a violation.
    "vendor": ("no", "unsub"),
    # Single words that mean nothing else in reply to a brand; sentences are not read here.
    "other_language": (
        *("arrete", "arrett"),  # fr
        *("alto", "detener"),  # es
        *("halt", "parar", "ferma", "zatrzymaj", "berhenti"),  # de, pt and es, it, pl, id
        *("остановить", "ايقاف"),  # ru, ar
    ),
}
_START: Final[Mapping[Rule, tuple[str, ...]]] = {
    # YES stands on Twilio's and Adobe's lists and is left out on purpose: it answers a question,
    # and often the offer's own ("20 % off, want it?"), so it starts nothing (S-14).
    "carrier": ("start", "unstop"),
    "vendor": ("begin", "continue", "resume", "revert", "subscribe"),
    "other_language": ("activer", "nonarret"),  # fr
}
_HELP: Final[Mapping[Rule, tuple[str, ...]]] = {
    "carrier": ("help", "info"),
    "other_language": (
        *("aide", "hulp", "hilfe", "ayuda"),  # fr, nl, de, es
        *("ajuda", "aiuto", "помощь", "pomocy"),  # pt, it, ru, pl
    ),
}
_EVERYTHING: Final = frozenset({"stop all"})


def read(text: str) -> Keyword | None:
    """Return the keyword that is the whole of this text; None where it says anything more."""
    words = _words(text)
    return _EXACT.get(" ".join(words)) or _STOPS.get("".join(words))


def is_yes(text: str) -> bool:
    """Say whether the whole text is YES: the answer to a question, and no keyword (S-14)."""
    return _words(text) == ["yes"]


def _words(text: str) -> list[str]:
    """Return the words as a person sees them: no case, no accents, nothing between them."""
    said = text.strip()
    if len(said) > _LONGEST_CHARS:
        return []
    # NFKD makes full-width and ornamental letters plain, as NFKC would, and parts accents from
    # their letters, so that ARRÊT is ARRET.
    plain = unicodedata.normalize("NFKD", said).casefold()
    return _WORD.findall("".join(c for c in plain if unicodedata.category(c) not in _UNSEEN))


def _keywords(outcome: Outcome, lists: Mapping[Rule, tuple[str, ...]]) -> Iterator[Keyword]:
    for rule, words in lists.items():
        for word in words:
            yield Keyword(outcome, word, rule, everything=word in _EVERYTHING)


_STOPS: Final = {"".join(_words(k.word)): k for k in _keywords("stop", _STOP)}
_EXACT: Final = {
    " ".join(_words(k.word)): k for k in (*_keywords("start", _START), *_keywords("help", _HELP))
}
