"""What a subject or the person's own words ask for.

`prefsvc.intent` knows what people say; here is what they only write: "Remove From Mailing List" as
a subject, a word alone on a line under a greeting, "please take my address off".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from prefsvc.intent import Decision, decide
from prefsvc.mail import addresses
from prefsvc.mail.tables import table

Asked = Literal["stop", "ask", "none"]

_CHARS_AT_ONCE: Final = 1500  # what prefsvc.intent reads of a text
_PIECES_MAX: Final = 20
_LINES_OF_A_COMMAND: Final = 5  # a word alone further down belongs to something else
_LINES_WITH_ADDRESSES_MAX: Final = 20
_NAME_CHARS_MAX: Final = 80
_NAMES_MAX: Final = 3

_MAIL_ADDRESS: Final = re.compile(r"<?[^\s<>@]{1,64}@[^\s<>@]{1,120}>?")
# The vowels of Indian and Thai letters are no letters to `re`.
_NO_WORD: Final = re.compile(r"[^\w'\u2019+\u0900-\u0dff\u0e00-\u0e7f]+")
_E_MAIL: Final = re.compile(r"\be mail")
_SUBJECT_PREFIX: Final = re.compile(
    r"\s*(?:subject|betreff|objet|asunto|oggetto|assunto|onderwerp|ämne|emne|temat|тема)\s*:\s*",
    re.IGNORECASE,
)
_NEGATION: Final = re.compile(
    r"\b(?:dont|do not|never|not|didnt|wont|cant|cannot|without|nicht|ne|no|non|não"
    r"|inte|ikke|niet|nie)(?: \w+| (?:want|wish|need|mean|intend|like) to)?\s?$"
)
_NEGATION_CHARS_MAX: Final = 40
_SENTENCE: Final = re.compile(r"[^.!?\n]+[.!?]?")
_WORDS_OF_A_REQUEST_MAX: Final = 9
_LIST_NAME: Final = re.compile(r"\w*(?:[\d@_.+-]|recipient)\S*|news\w*|list\w*")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for, in which words (the rule's name), and how much of it."""

    asked: Asked
    rule: str
    scope: str | None = None


_NOTHING: Final = Request("none", "nothing_asked")


def of_subject(subject: str) -> Request:
    """Read a subject that the person wrote."""
    if is_command(subject):
        return Request("stop", "removal_subject", "channel")
    return of_text(subject)


def of_text(text: str) -> Request:
    """Read the person's own words: a command alone on a line, then phrases, then intent."""
    text = _SUBJECT_PREFIX.sub("", text, count=1)
    lines = [line for line in text.split("\n") if line.strip()][:_LINES_OF_A_COMMAND]
    if any(is_command(_SUBJECT_PREFIX.sub("", line)) for line in lines):
        return Request("stop", "command_line", "channel")
    found = _NOTHING
    for number, piece in enumerate(_pieces(text)):
        request = _of_piece(piece)
        if request.asked == "stop":
            # Far below in a long text a request is seldom the point of it.
            return request if number == 0 else Request("ask", request.rule)
        if request.asked == "ask" and found.asked == "none":
            found = request
    return found


def is_command(line: str) -> bool:
    """Say whether a line is a command, as it stands or with the name of a list after it."""
    if len(line) > _NAME_CHARS_MAX:
        return False
    said = _plain(line)
    if said in _whole():
        return True
    command, _, rest = said.partition(" ")
    raw = line.split()[1:]
    is_named = bool(rest) and len(raw) <= _NAMES_MAX and all(map(_LIST_NAME.match, raw))
    return command in _commands() and is_named


def named_addresses(text: str) -> list[str]:
    """Return the addresses that the words ask to remove, in canonical form, line by line."""
    found: list[str] = []
    for line in text.split("\n")[:_LINES_WITH_ADDRESSES_MAX]:
        written = [one for _, one in addresses.in_text(line)]
        if written and of_text(line).asked == "stop":
            found += [one for text in written if (one := addresses.canonical(text))]
    return list(dict.fromkeys(found))


def ends_a_contract(subject: str, words: str) -> bool:
    """Say whether a subject that may ask to stop is that of a letter which names a contract."""
    return _plain(subject) in _contracts() and bool(_contract_words().search(_plain(words)))


def is_no_subject(subject: str) -> bool:
    """Say whether a subject is what programs write where there is none."""
    said = _plain(subject)
    return not said or said in _no_subjects()


def _of_piece(text: str) -> Request:
    if _kept().search(_plain(text)):
        return Request("ask", "wants_to_stay")
    decision = decide(text)
    if decision.intent != "stop" and (rule := _phrase_in(text)):
        return Request("stop", rule, "channel")
    if decision.intent == "none" and (asked := _asked_in_pairs(text)):
        return Request(asked, "removal_words", "channel" if asked == "stop" else None)
    return _of_decision(decision)


def _of_decision(decision: Decision) -> Request:
    match decision.intent:
        case "stop":
            return Request("stop", decision.rule, decision.scope)
        case "ask":
            return Request("ask", decision.rule)
        case _:
            return _NOTHING


def _pieces(text: str) -> Iterator[str]:
    """Cut a long text at its lines into pieces that can be read at once."""
    for _ in range(_PIECES_MAX):
        if len(text) <= _CHARS_AT_ONCE:
            break
        end = text.rfind("\n", _CHARS_AT_ONCE // 2, _CHARS_AT_ONCE)
        end = _CHARS_AT_ONCE if end < 0 else end
        yield text[:end]
        text = text[end:]
    yield text[:_CHARS_AT_ONCE]


def _asked_in_pairs(text: str) -> Asked | None:
    """Say what a sentence asks for that has a word for leaving and one for a list."""
    asked: Asked | None = None
    for sentence in _SENTENCE.findall(text[:_CHARS_AT_ONCE]):
        said = _plain(sentence)
        found = None if sentence.endswith("?") else _pairs().search(said)
        if found is None or _NEGATION.search(said[: found.start()][-_NEGATION_CHARS_MAX:]):
            continue
        if said.count(" ") < _WORDS_OF_A_REQUEST_MAX:
            return "stop"
        asked = "ask"
    return asked


def _phrase_in(text: str) -> str | None:
    said = _plain(text)
    for pattern in _phrases():
        found = pattern.search(said)
        if found and not _NEGATION.search(said[: found.start()][-_NEGATION_CHARS_MAX:]):
            return "removal_phrase"
    return None


def _plain(text: str) -> str:
    text = _MAIL_ADDRESS.sub(" recipient ", text[:_CHARS_AT_ONCE]).lower().replace("\u2019", "'")
    words = " ".join(_NO_WORD.sub(" ", text).split())
    return _E_MAIL.sub("email", words).replace("'", "")


@cache
def _whole() -> frozenset[str]:
    known = table("requests")
    return frozenset(map(_plain, [*known["whole"], *known["commands"]]))


@cache
def _contracts() -> frozenset[str]:
    return frozenset(map(_plain, table("requests")["contracts"]))


@cache
def _contract_words() -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(table('requests')['contract_words'])})(?!\w)")


@cache
def _no_subjects() -> frozenset[str]:
    return frozenset(table("requests")["no_subjects"])


@cache
def _kept() -> re.Pattern[str]:
    return re.compile(
        "|".join(rf"(?<!\w)(?:{one})" for one in table("requests")["phrases"]["kept"])
    )


@cache
def _commands() -> frozenset[str]:
    return frozenset(table("requests")["commands"])


@cache
def _pairs() -> re.Pattern[str]:
    return re.compile("|".join(map(_filled, table("requests")["phrases"]["pairs"])))


@cache
def _phrases() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(_filled(one)) for one in table("requests")["phrases"]["patterns"])


def _filled(pattern: str) -> str:
    """Put the named parts of the table into a pattern ("{list}")."""
    for name, part in table("requests")["phrases"].items():
        if isinstance(part, str):
            pattern = pattern.replace(f"{{{name}}}", part)
    return rf"(?<!\w){pattern}"
