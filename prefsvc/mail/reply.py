"""The words that the person wrote: no quotations, signatures or footers (E-35).

Line by line, and from the top: what is quoted with `>` goes; where a whole message is pasted below
an answer, everything from there on goes. What the pasted header, the divider or "On … wrote:" look
like in each language is in words/quotes.toml; a shape that no language explains is known by the
address and the time in it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from prefsvc.mail import hypertext
from prefsvc.mail.message import Entity
from prefsvc.mail.tables import table

CHARS_READ_MAX: Final = 64 * 1024  # of the text; an answer does not begin below so much else
_LINE_CHARS_MAX: Final = 600
_ATTRIBUTION_LINES_MAX: Final = 4
_ATTRIBUTION_CHARS_MAX: Final = 300
_HEADER_LINES_MAX: Final = 8
_SIGNATURE_CHARS_MAX: Final = 60
_WRAPPED_FROM_CHARS: Final = 60  # a quoted line this long may have lost its end to the next line

_QUOTED: Final = re.compile(r"[ \t]{0,8}(?:>|&gt;|»|\|(?:\s|$)|[A-Z]{1,3}>)")
_GROUPWISE: Final = re.compile(r"\s*>>> .{3,200}>>>?\s*$")
_SIGNATURE: Final = re.compile(r"\s*(?:--|\u2014|\u2013)\s*$")
_RULE: Final = re.compile(r"\s*_{10,}\s*$")
_LABEL: Final = re.compile(
    r"[\s*_>-]*([^\s:\uff1a*][^:\uff1a*]{0,24}?)[\s*]*[:\uff1a]\**(?!//)(.*)"
)
_MAIL_ADDRESS: Final = re.compile(r"[^\s<>@]{1,64}@[\w-]{1,63}\.[\w.-]{2,}")
_TIME: Final = re.compile(r"\b\d{1,2}[:.h]\d{2}\b|\d{1,2}[時时点點시]\s?\d{0,2}")
_DATE: Final = re.compile(
    r"\b(?:19|20)\d\d\b|\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\b\d{1,2}[/.]\d{1,2}\b"
)
_SENTENCE_END: Final = re.compile(r"[.!?,]\s+\w")
_ENDS_ATTRIBUTION: Final = re.compile(r"[:\uff1a]\s*\**\s*-*\s*$|^-{3,}\s.*\s-{3,}$")
_NAME_ALONE: Final = re.compile(r"\s*[^<>@]{0,80}<[^\s<>@]{1,64}@[\w.-]{3,120}>\s*")
_DATE_ALONE_CHARS_MAX: Final = 40
_AROUND: Final = " \t\u00a0\u200b*_-=~#>|:\uff1a,.!…<\"'“”„«»"


@dataclass(frozen=True, slots=True)
class _Tables:
    labels: dict[str, str]
    dividers: frozenset[str]
    verbs: re.Pattern[str]
    signatures: tuple[str, ...]
    footers: re.Pattern[str]


def own_words(message: Entity) -> str:
    """Return what the person wrote in this message; "" if all of it is somebody else's."""
    return own_part(displayed(message))


def displayed(message: Entity) -> str:
    """Return the text that a reader is shown, HTML only where there is no plain text."""
    plain, marked_up = "", ""
    for part in message.walk():
        if part.is_attached:
            continue
        if part.media_type == "text/plain" and not plain.strip():
            plain = part.text[:CHARS_READ_MAX]
        elif part.media_type == "text/html" and not marked_up:
            marked_up = part.text
    return plain if plain.strip() else hypertext.plain_text(marked_up)[:CHARS_READ_MAX]


def own_part(text: str) -> str:
    """Cut from a text what is quoted, pasted, signed with or printed under it."""
    lines = [line[:_LINE_CHARS_MAX].rstrip() for line in text[:CHARS_READ_MAX].split("\n")]
    kept: list[str] = []
    has_words = has_quoted = False
    at = 0
    while at < len(lines):
        line = lines[at]
        if length := _attribution_length(lines, at):
            at += length
            if not _is_quoted_next(lines, at):
                break
        elif _begins_other_text(lines, at, has_words=has_words, has_quoted=has_quoted):
            break
        else:
            is_of_quote = _is_of_quote(lines, at)
            has_quoted = has_quoted or is_of_quote
            if not is_of_quote and not _is_signed_by_program(line):
                kept.append(line.strip("\u200b \t\u00a0"))
                has_words = has_words or any(map(str.isalnum, line))
            at += 1
    return "\n".join(kept).strip()


def _begins_other_text(lines: Sequence[str], at: int, *, has_words: bool, has_quoted: bool) -> bool:
    """Say whether from this line to the end nothing is the person's."""
    line = lines[at]
    if _is_quoted(line):  # nobody writes below what they forward
        return bool(_GROUPWISE.match(line)) or _is_divider(line)
    if _is_divider(line) or _is_pasted_header(lines, at):
        return True
    printed = line.strip(" \t*-\u00a0").lower()
    # "Why am I getting this?" stands above many a footer; with nothing above it, the person asks.
    if _tables().footers.match(printed) and (has_words or not printed.endswith("?")):
        return True
    # A signature or a rule with nothing above it is how the person's text begins. Below a phone's
    # signature nobody writes: it stands above the quotation.
    ends = _SIGNATURE.match(line) or _RULE.match(line) or _is_signed_by_program(line)
    return (has_words or has_quoted) and bool(ends)


def _is_divider(line: str) -> bool:
    said = line.strip(_AROUND).lower()
    if said in _tables().dividers:
        # Without a line drawn beside it, or a colon, it may be a sentence of the person's.
        return len(line.strip()) > len(said) or not said.isascii()
    return "forwarded by" in said and line.lstrip().startswith("--")


def _is_pasted_header(lines: Sequence[str], at: int) -> bool:
    """Say whether a message's header begins here: labels in any language, or their shape."""
    if _is_unlabelled_header(lines, at):
        return True
    if (first := _label(lines[at])) is None:
        return False
    kinds: list[str | None] = []
    values: list[str] = []
    for line in _nearby(lines, at):
        if found := _label(line):
            kinds.append(_tables().labels.get(found[0]))
            values.append(found[1])
    known = {kind for kind in kinds if kind}
    if _tables().labels.get(first[0]) and "from" in known and len(known - {"other"}) > 1:
        return _shows_a_message(values)
    joined = " ".join(values)
    return len(values) > 2 and bool(_MAIL_ADDRESS.search(joined) and _TIME.search(joined))  # noqa: PLR2004 - as short as headers get


def _is_unlabelled_header(lines: Sequence[str], at: int) -> bool:
    """Say whether a name with its address is followed by a moment alone, as Lotus Notes does."""
    if at + 1 >= len(lines) or not _NAME_ALONE.fullmatch(lines[at]):
        return False
    moment = lines[at + 1].strip()
    is_short = len(moment) <= _DATE_ALONE_CHARS_MAX
    return is_short and bool(_DATE.search(moment) and _TIME.search(moment))


def _shows_a_message(values: Sequence[str]) -> bool:
    """Tell a header from a list that happens to have its labels ("From: Rome / To: Oslo")."""
    joined = " ".join(values)
    return bool(_MAIL_ADDRESS.search(joined) or _TIME.search(joined) or len(values) > 2)  # noqa: PLR2004 - from, sent and to


def _nearby(lines: Sequence[str], at: int) -> list[str]:
    """Return the lines of a header that begins here; it ends at a second empty line."""
    found: list[str] = []
    empty = 0
    for line in lines[at : at + 2 * _HEADER_LINES_MAX]:
        empty = 0 if line.strip() else empty + 1
        if empty > 1 or len(found) == _HEADER_LINES_MAX:
            break
        if line.strip():
            found.append(line)
    return found


def _label(line: str) -> tuple[str, str] | None:
    found = _LABEL.match(line)
    return (found[1].strip().lower(), found[2].strip(" *")) if found else None


def _attribution_length(lines: Sequence[str], at: int) -> int:
    """Return over how many lines "On … wrote:" goes that begins here; 0 if none does."""
    if not lines[at].strip() or _is_quoted(lines[at]):
        return 0
    said = ""
    for length, line in enumerate(lines[at : at + _ATTRIBUTION_LINES_MAX], start=1):
        if not line.strip() or (_is_quoted(line) and not line.lstrip().startswith(">:")):
            return 0
        said = f"{said} {line.strip()}".strip()
        if len(said) > _ATTRIBUTION_CHARS_MAX:
            return 0
        if _ENDS_ATTRIBUTION.search(said):
            is_here = _is_attribution(said) and _dates_from_first(lines[at : at + length])
            return length if is_here else 0
    return 0


def _dates_from_first(lines: Sequence[str]) -> bool:
    """Say whether "On … wrote:" begins in the first line and not below words of the person's."""
    first, *later = lines
    if _DATE.search(first):
        return not any(_DATE.search(line) for line in later)
    signs = [_DATE, _TIME] if _MAIL_ADDRESS.search(first) else [_DATE, _TIME, _MAIL_ADDRESS]
    return not any(sign.search(line) for sign in signs for line in later)


def _is_attribution(said: str) -> bool:
    has_date = bool(_DATE.search(said) or _TIME.search(said))
    if _MAIL_ADDRESS.search(said):
        return has_date or bool(_tables().verbs.search(said.lower()))
    if _DATE.search(said) and _TIME.search(said):
        return True
    return has_date and bool(_tables().verbs.search(said.lower()))


def _is_quoted_next(lines: Sequence[str], at: int) -> bool:
    following = next((line for line in lines[at:] if line.strip()), "")
    return _is_quoted(following)


def _is_quoted(line: str) -> bool:
    return bool(_QUOTED.match(line))


def _is_of_quote(lines: Sequence[str], at: int) -> bool:
    """Say whether a line is quoted, or is the end of a quoted one that was too long."""
    if _is_quoted(lines[at]):
        return True
    if at == 0 or at + 1 >= len(lines):
        return False
    before = lines[at - 1]
    is_wrapped = _is_quoted(before) and len(before) >= _WRAPPED_FROM_CHARS
    return is_wrapped and bool(lines[at].strip()) and _is_quoted(lines[at + 1])


def _is_signed_by_program(line: str) -> bool:
    said = line.strip(_AROUND).lower()
    is_short = len(said) <= _SIGNATURE_CHARS_MAX and not _SENTENCE_END.search(said)
    return is_short and said.startswith(_tables().signatures)


@cache
def _tables() -> _Tables:
    quotes = table("quotes")
    verbs = "|".join(re.escape(verb) for verb in quotes["attributions"]["verbs"])
    footers = "|".join(f"(?:{pattern})" for pattern in table("footers")["starts"])
    return _Tables(
        labels={label: kind for kind, labels in quotes["labels"].items() for label in labels},
        dividers=frozenset(quotes["dividers"]["words"]),
        verbs=re.compile(rf"(?:^|\W)(?:{verbs})(?:\W|$)|(?:写道|寫道|작성|のメール|書きました)"),
        signatures=tuple(quotes["signatures"]["starts"]),
        footers=re.compile(footers),
    )
