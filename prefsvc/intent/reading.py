"""From a text to a decision: the person's own words, then a keyword, then a phrase, then doubt.

Rule 1: a text asks for something by what it says, never by a word that happens to be in it.
Rule 2: what a reasonable person would take for a request to stop is one (47 CFR 64.1200(a)(10);
RULES S-13); where that and an ordinary meaning weigh the same, a person is asked.
Rule 3: what lets messages flow again is read exactly as listed, and YES only as an answer (S-14).
"""

import re
from collections.abc import Sequence
from itertools import chain, takewhile
from typing import Final, Literal

from prefsvc.intent.courtesy import bare, without_idle
from prefsvc.intent.decision import Decision
from prefsvc.intent.grammar import Found, Kind
from prefsvc.intent.language import Keyword, Languages, languages
from prefsvc.intent.person import names_another
from prefsvc.intent.quotes import own_words
from prefsvc.intent.spelling import BREAK, CHARS_MAX, plain, tokens

WrongNumber = Literal["ask", "stop"]

_NOTHING: Final = Decision("none", "nothing_asked")
_STOP_SIGNS: Final = frozenset("🛑⛔🚫✋🤚🖕🙅")
_LAUGHS: Final = frozenset("😂🤣😆😹")
# STOP in capitals before words that are not: the keyword was meant, whatever follows.
_CAPITALS: Final = re.compile(r"\W*(?:STOP|STOPALL|UNSUBSCRIBE|OPT[ -]?OUT)\b.*[a-z]{3}", re.DOTALL)
_SHORT_WORDS_MAX: Final = 15  # a longer text that asks to stop says so in a plainer phrase

# Rules of languages/*.toml that are treated apart.
_BARE_NO: Final = "bare_no"
_WRONG_NUMBER: Final = "wrong_number"


def decide(
    text: str, *, question_pending: bool = False, wrong_number: WrongNumber = "ask"
) -> Decision:
    """Say what a text asks for; never raises, and takes time in proportion to its length.

    `question_pending` says that the person was asked whether to be texted: then YES starts.
    `wrong_number` is what "you have the wrong number" asks for, by the brand's own choice.
    """
    known = languages()
    own = own_words(text.strip()[:CHARS_MAX])
    if question_pending and is_yes(own):
        return Decision("start", "yes_to_a_question", language="en")
    words = known.speller.words(own)
    if not words and not _STOP_SIGNS.isdisjoint(own):
        return Decision("ask", "stop_sign")
    if keyword := _keyword(own, words, known):
        return _by_keyword(keyword)
    decision = _mended(own, words, known, wrong_number)
    if decision.intent == "stop" and _is_in_fun(own, words, known):
        return Decision("ask", "said_laughing", language=decision.language)
    if decision.intent == "none" and names_another(own):
        return _not_that_person(wrong_number)
    return decision


def is_yes(text: str) -> bool:
    """Say whether the whole text is YES: the answer to a question, and no keyword (S-14)."""
    return _exactly(text) == "yes"


def _exactly(text: str) -> str:
    """Return the words as they stand, with every disguise and slip."""
    return " ".join(word for word in tokens(plain(text)) if word != BREAK)


def _keyword(own: str, words: Sequence[str], known: Languages) -> Keyword | None:
    """Return the keyword that is the whole text; only those that stop may be pulled apart."""
    said = [word for word in words if word != BREAK]
    keyword = known.keywords.get(" ".join(said)) or known.joined.get("".join(said))
    if keyword and keyword.outcome == "start" and _exactly(own) not in known.keywords:
        return None
    return keyword


def _read(own: str, words: Sequence[str], known: Languages, wrong_number: WrongNumber) -> Decision:
    short, full = _spoken(words, known)
    by_keyword = _by_politeness(full, known) or _by_politeness(short, known)
    return by_keyword or _by_phrases(own, (short, full), known, wrong_number)


def _spoken(words: Sequence[str], known: Languages) -> tuple[list[str], list[str]]:
    """Return the text without its courtesies, and with them.

    "Again" is one after "I said stop" and none in "do not text me again".
    """
    full = without_idle(words, known)
    return bare(full, known), full


def _mended(
    own: str, words: Sequence[str], known: Languages, wrong_number: WrongNumber
) -> Decision:
    """Read the text, and once more without its slips, which count where a phrase needs them."""
    decision = _read(own, words, known, wrong_number)
    meant = known.speller.mended(words)
    if decision.intent == "stop" or meant == words:
        return decision
    other = _by_phrases(own, _spoken(meant, known), known, wrong_number)
    return other if other.intent == "stop" or decision.intent == "none" else decision


def _not_that_person(wrong_number: WrongNumber) -> Decision:
    if wrong_number == "stop":
        return Decision("stop", _WRONG_NUMBER, "channel", "en")
    return Decision("ask", _WRONG_NUMBER, language="en")


def _is_in_fun(own: str, words: Sequence[str], known: Languages) -> bool:
    """Say whether somebody laughs and does not speak of texts: "lol stop it"."""
    laughs = not _LAUGHS.isdisjoint(own) or not known.laughs.isdisjoint(words)
    return laughs and known.texting.isdisjoint(words)


def _by_keyword(keyword: Keyword) -> Decision:
    match keyword.outcome:
        case "everything":
            return Decision("stop", keyword.rule, "everything", keyword.language)
        case "stop":
            return Decision("stop", keyword.rule, "channel", keyword.language)
        case other:
            return Decision(other, keyword.rule, language=keyword.language)


def _by_politeness(words: Sequence[str], known: Languages) -> Decision | None:
    """Read a keyword that had only courtesies, curses or itself around it."""
    once = dict.fromkeys(word for word in words if word != BREAK)
    keyword = known.joined.get("".join(once)) or known.keywords.get(" ".join(once))
    if keyword is None or keyword.outcome in {"start", "help"}:
        return None
    if keyword.rule == _BARE_NO:
        return Decision("ask", "no_with_courtesy", language=keyword.language)
    return _by_keyword(keyword)


def _by_phrases(
    own: str, texts: Sequence[Sequence[str]], known: Languages, wrong_number: WrongNumber
) -> Decision:
    found = [list(known.requests.search(words)) for words in texts]
    surely = (_surely(*one, known) for one in zip(texts, found, strict=True))
    if stop := next(filter(None, surely), None):
        return stop
    return _perhaps(own, texts[0], [*chain(*found)], known, wrong_number)


def _surely(words: Sequence[str], found: Sequence[Found], known: Languages) -> Decision | None:
    is_other_business = _is_other_business(words, known) and not _stop_stands_alone(words, known)
    brief = _of_kind("brief", found) if _is_short(words) else []
    stops = [
        one
        for one in (*_of_kind("stop", found), *brief)
        if not is_other_business or _names_texting(one, known)
    ]
    if stops:
        return _stop(stops[0], _scope(words, stops, known))
    reason = None if is_other_business else _reason(words, found, known)
    if reason is None:
        return None
    return Decision("stop", "stop_and_a_reason", "channel", reason.phrase.language)


def _reason(words: Sequence[str], found: Sequence[Found], known: Languages) -> Found | None:
    """Return a doubtful phrase that the words of a request beside it make a sure one."""
    hints = _of_kind("perhaps", found) if _is_short(words) else []
    begins_with_stop = _begins_with_stop(words, known)
    for doubt in _of_kind("ask", found):
        if begins_with_stop or any(hint.span.start not in doubt.span for hint in hints):
            return doubt
    return None


def _perhaps(
    own: str,
    words: Sequence[str],
    found: Sequence[Found],
    known: Languages,
    wrong_number: WrongNumber,
) -> Decision:
    doubts = _of_kind("ask", found)
    wrong = [one for one in doubts if one.phrase.rule == _WRONG_NUMBER]
    if wrong and wrong_number == "stop":
        return _stop(wrong[0], "channel")
    if doubtful := (*wrong, *_of_kind("stop", found), *_of_kind("question", found), *doubts):
        return _ask(doubtful[0])
    if _CAPITALS.match(own):
        return Decision("ask", "stop_in_capitals", language="en")
    hints = [*_of_kind("brief", found), *_of_kind("perhaps", found)]
    is_about_us = _is_short(words) and not _is_other_business(words, known)
    return _ask(hints[0]) if hints and is_about_us else _NOTHING


def _of_kind(kind: Kind, found: Sequence[Found]) -> list[Found]:
    return [one for one in found if one.phrase.kind == kind]


def _is_short(words: Sequence[str]) -> bool:
    return len(words) <= _SHORT_WORDS_MAX


def _is_other_business(words: Sequence[str], known: Languages) -> bool:
    return not known.business.isdisjoint(words)


def _names_texting(found: Found, known: Languages) -> bool:
    """Say whether a request, in a text about other business too, is about being texted."""
    return not known.texting.isdisjoint(found.words)


def _begins_with_stop(words: Sequence[str], known: Languages) -> bool:
    return any(" ".join(words[:length]) in known.by_itself for length in (1, 2))


def _stop_stands_alone(words: Sequence[str], known: Languages) -> bool:
    """Say whether the first clause is a stop word and nothing else: "Stop. My order came"."""
    return " ".join(takewhile(lambda word: word != BREAK, words)) in known.by_itself


def _ask(found: Found) -> Decision:
    return Decision("ask", found.phrase.rule, language=found.phrase.language)


def _stop(found: Found, scope: str) -> Decision:
    return Decision("stop", found.phrase.rule, scope, found.phrase.language)


def _scope(words: Sequence[str], stops: Sequence[Found], known: Languages) -> str:
    if next(known.wide.search(words), None):
        return "everything"
    topics = [one.topic.strip() for one in stops if one.topic]
    return " ".join(topics) if len(topics) == len(stops) else "channel"
