"""What a mail server's refusal says: that nobody is there, or something else.

Words decide before codes, for servers give 5.1.1 to whatever they dislike, and 5.0.0 to addresses
that do not exist; a code of the sender's standing (5.7.x) never says so by itself (E-50). Rule:
where the two weigh the same, it is something else; a mailbox that was full for a day must not be
lost for good.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from prefsvc.mail.tables import table
from prefsvc.mail.transcripts import Phase, phase_of

Verdict = Literal["nobody", "something_else"]

_CHARS_READ_MAX: Final = 1500
_MAIL_ADDRESS: Final = re.compile(
    r"<?(?:rfc822;\s?)?[^\s<>@:;,()\[\]]{1,80}@[^\s<>@:;,()\[\]\"']{1,120}>?(?:\.{3})?",
    re.IGNORECASE,
)
_REFUSED_ADDRESS: Final = re.compile(
    r"\b(5\d\d(?:[ -]5\.\d\.\d{1,3})?) <[^\s<>@]{1,80}@[^\s<>@]{1,120}>(?=:|\.{3})"
)
_QUOTED_RECIPIENT: Final = "quoted recipient"
_TYPE: Final = re.compile(r"\A\s*(?:smtp|dns|x-[\w-]{1,60}|unknown)\s?;", re.IGNORECASE)
_WEB_ADDRESS: Final = re.compile(r"\b(?:https?://|www\.)\S{1,300}", re.IGNORECASE)
_STATUS: Final = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_REPLY: Final = re.compile(r"(?<![\d.#])([245])[0-5]\d(?=[ ,:-]|$)(?![\d.])")
_SENTENCE: Final = re.compile(r"[;!?]|\.(?=\s)|:\s(?=\S+\s\S+\s\S+\s\S+\s)")

# RFC 3463 and its registry: bad destination mailbox or system, moved, null MX, no route to a host.
_STATUS_OF_NOBODY: Final = frozenset({(1, 1), (1, 2), (1, 6), (1, 10), (4, 4)})
_STATUS_OF_NO_KIND: Final = frozenset({(0, 0)})
_STATUS_OF_THE_SENDER: Final = frozenset({(1, 7), (1, 8)})
_ABOUT_THE_ADDRESS: Final = 1  # the second number of a status, RFC 3463 §3.2
_ABOUT_A_MAILBOX: Final = 2
_TRANSIENT, _PERMANENT = "4", "5"  # the first digit of a reply and of a code
_STATUS_LAST: Final = 10  # higher ones are a vendor's own, and say what another server said


@dataclass(frozen=True, slots=True)
class _Words:
    something_else: re.Pattern[str]
    no_host: re.Pattern[str]
    no_account: re.Pattern[str]
    nobody: re.Pattern[str]
    phrases: re.Pattern[str]


def verdict(text: str, status: str | None = None, *, phase: Phase | None = None) -> Verdict | None:
    """Say what a refusal means; None where neither its words nor its codes say anything.

    `status` is the code that the report itself gives, `phase` when it came if the text is silent.
    """
    said = _plain(text)
    codes = [*_codes(status or ""), *_codes(said)]
    phase = phase_of(text) or phase
    if _is_about_something_else(said, codes, phase):
        return "something_else"
    kinds = {code[1:] for code in codes}
    has_no_host = bool(_words().no_host.search(said))
    if has_no_host and kinds <= _STATUS_OF_NO_KIND:
        return "nobody"  # Gmail gives up with 4.0.0 where there is no such domain
    if _is_temporary(said, codes, is_status_given=bool(status)):
        return "something_else"
    if has_no_host or (_says_nobody(said) and _is_sure(said, codes, phase)):
        return "nobody"
    if kinds & _STATUS_OF_NOBODY and not _says_nobody(said):
        return "nobody"
    return "something_else" if codes or _REPLY.search(said) or _says_nobody(said) else None


def names_another_cause(text: str) -> bool:
    """Say whether a refusal has words for something else than that nobody is there."""
    return bool(_words().something_else.search(_plain(text)))


def _is_about_something_else(
    said: str, codes: list[tuple[int, int, int]], phase: Phase | None
) -> bool:
    is_about_the_sender = any(code[1:] in _STATUS_OF_THE_SENDER for code in codes)
    return phase == "sender" or is_about_the_sender or bool(_words().something_else.search(said))


def _is_sure(said: str, codes: list[tuple[int, int, int]], phase: Phase | None) -> bool:
    """Say whether "user unknown" is believed: it came when the address was given, or is in code."""
    if any(code[1] == _ABOUT_THE_ADDRESS and code[2] <= _STATUS_LAST for code in codes):
        return True
    if _words().no_account.search(said):
        return True
    if phase is None:
        is_coded = bool(codes or _REPLY.search(said))
        return not is_coded or _names_the_recipient(said, codes)
    return phase == "recipient"


def _names_the_recipient(said: str, codes: list[tuple[int, int, int]]) -> bool:
    """Say whether it is about the address, which it quotes ("550 <ann@…>: User unknown").

    A code of the second class is about a mailbox that exists (RFC 3463 §3.3).
    """
    return _QUOTED_RECIPIENT in said and not any(code[1] == _ABOUT_A_MAILBOX for code in codes)


def _says_nobody(said: str) -> bool:
    """Say whether a plain refusal says in one sentence that somebody or something is missing."""
    if _words().phrases.search(said):
        return True
    return any(_words().nobody.search(sentence) for sentence in _SENTENCE.split(said))


def _plain(text: str) -> str:
    text = _TYPE.sub("", text[:_CHARS_READ_MAX])
    text = _WEB_ADDRESS.sub(_host_of, text)
    text = _REFUSED_ADDRESS.sub(rf"\1 {_QUOTED_RECIPIENT} ", text)
    text = _MAIL_ADDRESS.sub(" recipient ", text.replace("\u2019", "'")).lower()
    return " ".join(text.replace("_", " ").split())


def _host_of(found: re.Match[str]) -> str:
    """Keep of a link whose page it is: the block lists name themselves."""
    host = re.split(r"[/?#]", found[0].partition("//")[2] or found[0], maxsplit=1)[0]
    return f" {host.replace('.', ' ')} "


def _codes(text: str) -> list[tuple[int, int, int]]:
    return [(int(one[1]), int(one[2]), int(one[3])) for one in _STATUS.finditer(text)]


def _is_temporary(said: str, codes: list[tuple[int, int, int]], *, is_status_given: bool) -> bool:
    """Say whether the server may yet take it: by its reply, then by the report's code and its."""
    replies = {found[1] for found in _REPLY.finditer(said)}
    if replies == {_TRANSIENT}:
        return True
    classes = [str(code[0]) for code in codes]
    if _PERMANENT not in classes:
        return _TRANSIENT in classes
    return is_status_given and classes[0] == _TRANSIENT


@cache
def _words() -> _Words:
    nobody_words = table("refusals")["nobody"]
    other = [
        pattern for patterns in table("refusals")["something_else"].values() for pattern in patterns
    ]
    patterns = (
        "|".join(other),
        *("|".join(nobody_words[name]) for name in ("hosts", "accounts")),
        _pattern_of_nobody(nobody_words),
        "|".join(nobody_words["phrases"]),
    )
    return _Words(*(re.compile(pattern) for pattern in patterns))


def _pattern_of_nobody(words: dict[str, list[str]]) -> str:
    """Join the things and the words of absence, in either order, into one pattern."""
    things, after, before = ("|".join(words[name]) for name in ("things", "is_missing", "missing"))
    # A few words may stand between, but none that begin another clause.
    between = r"(?:(?!(?:and|but|or|please|if|because)\s)\S{1,80}\s){0,8}?"
    short = r"(?:(?!(?:and|but|please|if|because)\s)\S{1,80}\s){0,3}?"
    return (
        rf"(?<!\w)(?:{things})\W+{between}\W{{0,3}}(?:{after})(?!\w)"
        rf"|(?<!\w)(?:{before})\W+{short}\W{{0,3}}(?:{things})(?!\w)"
    )
