"""Reports by mail systems, taken apart: fields, recipients, words, the message they are about."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from prefsvc.mail import addresses, transcripts
from prefsvc.mail.hypertext import plain_text
from prefsvc.mail.message import Entity, enclosed
from prefsvc.mail.tables import table

CHARS_READ_MAX: Final = 32 * 1024

_STATUS_TYPES: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
_ORIGINAL_TYPES: Final = frozenset(
    {
        "message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers",
        "message/global-headers", "text/rfc822",
    }
)  # fmt: skip
_RECIPIENT_FIELDS: Final = ("original-recipient", "final-recipient", "x-actual-recipient")
_GROUP_GAP: Final = re.compile(r"\n[ \t]*\n")
_FOLD: Final = re.compile(r"\n[ \t]+")
_TYPED_VALUE: Final = re.compile(r"^\s*[\w-]{1,40}\s*;\s*")
_UTF8_ESCAPE: Final = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
_LAST_LETTER: Final = 0x10FFFF
# A header that is shown as text, by the fields that it begins with.
_HEADER: Final = (
    r"(?:received|return-path|message-id|x-originating-ip|dkim-signature|mime-version): ?\S[^\n]*"
)
_TO_IN_TEXT: Final = re.compile(r"\n[ \t>]{0,8}to: ?([^\n]{3,300})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Recipient:
    """What a report says of one recipient (RFC 3464 §2.3)."""

    address: str | None = field(repr=False)
    action: str
    status: str
    diagnostic: str = field(repr=False)
    category: str
    """PowerMTA's own word for it, which is finer than the status."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a report says in words, and the message that it shows below, if it is in the text."""

    text: str = field(repr=False)
    shown: str = field(repr=False)


def fields_of(text: str) -> dict[str, str]:
    """Read a group of fields; one that is there twice keeps its first value."""
    found: dict[str, str] = {}
    for line in _FOLD.sub(" ", text).split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip().lower(), value.strip())
    return found


def original_of(message: Entity) -> Entity | None:
    """Return the message that a report encloses, or as much of it as it does."""
    for part in message.walk():
        if part is not message and part.media_type in _ORIGINAL_TYPES:
            return enclosed(part)
    return None


def recipients(message: Entity) -> Iterator[Recipient]:
    """Yield each recipient that a standard report names."""
    for part in message.walk():
        if part.media_type in _STATUS_TYPES:
            for group in _GROUP_GAP.split(part.text[:CHARS_READ_MAX]):
                yield from _recipient(fields_of(group))


def said(message: Entity) -> Said:
    """Return what the report itself says, apart from the message that it is about."""
    pieces: list[str] = []
    for part in message.walk():
        if part.parts or part.is_attached:
            continue
        if part.media_type == "text/plain":
            pieces.append(part.text)
        elif part.media_type == "text/html" and not any(piece.strip() for piece in pieces):
            pieces.append(plain_text(part.text))
    text = transcripts.plain("\n" + "\n".join(pieces)[:CHARS_READ_MAX])
    begins = _original_begins().search(text)
    return Said(text[: begins.start()], text[begins.start() :]) if begins else Said(text, "")


def addressed(message: Entity) -> str | None:
    """Return to whom the message went that a report encloses or shows."""
    if found := addresses.first(message, "x-failed-recipients"):
        return found
    original = original_of(message)
    if original and (found := addresses.first(original, "to")):
        return found
    line = _TO_IN_TEXT.search(said(message).shown)
    return addresses.canonical(next(iter(addresses.listed(line[1])), None)) if line else None


def ours(message: Entity) -> set[str]:
    """Return the addresses that are ours: where the report went, and who sent the original."""
    fields = [(message, name) for name in ("to", "delivered-to", "envelope-to")]
    if original := original_of(message):
        fields += [(original, name) for name in ("from", "return-path")]
    written = (
        text
        for entity, name in fields
        for value in entity.all(name)
        for text in addresses.listed(value)
    )
    return {found for text in written if (found := addresses.canonical(text))}


def notification(message: Entity) -> dict[str, Any] | None:
    """Read what Amazon SES mails as JSON by its notification service; None if it is no such."""
    text = message.text.lstrip() if message.media_type == "text/plain" else ""
    if not text.startswith("{"):
        return None
    text = text[:CHARS_READ_MAX].replace("!\n ", "")  # as sendmail cuts lines that are too long
    try:
        found: dict[str, Any] = json.JSONDecoder(strict=False).raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None
    is_notice = "mail" in found and not {"notificationType", "eventType"}.isdisjoint(found)
    return found if is_notice else None


def notified(entries: list[Any]) -> list[str]:
    """Return the addresses in a notification's list of recipients."""
    written = [one.get("emailAddress") for one in entries if isinstance(one, dict)]
    return [found for text in written if (found := addresses.canonical(str(text)))]


def _recipient(fields: dict[str, str]) -> Iterator[Recipient]:
    named = [fields[name] for name in _RECIPIENT_FIELDS if fields.get(name)]
    if not named:
        return
    # E-50: whom we wrote to, before where it went in the end.
    found = next((one for text in named if (one := _typed_address(text))), None)
    yield Recipient(
        address=found,
        action=re.split(r"[\s;(]", fields.get("action", "").lower(), maxsplit=1)[0],
        status=fields.get("status", ""),
        diagnostic=fields.get("diagnostic-code", ""),
        category=fields.get("x-powermta-bouncecategory", "").lower(),
    )


def _typed_address(value: str) -> str | None:
    # RFC 6533 §3: \x{…} stands for what ASCII cannot say.
    text = _UTF8_ESCAPE.sub(lambda found: _letter(found[1]), _TYPED_VALUE.sub("", value))
    return addresses.canonical(next(iter(addresses.listed(text)), None))


def _letter(digits: str) -> str:
    number = int(digits, 16)
    return chr(number) if number <= _LAST_LETTER else "\ufffd"


@cache
def _original_begins() -> re.Pattern[str]:
    """Compile what stands where a report begins to show the message: a heading, or its header."""
    headings = "|".join(table("reports")["headings"])
    before = (
        r"(?:(?:this|here|below(?: this line)?|included|enclosed|attached|following) (?:is|are) )?"
    )
    after = r"(?:,? (?:follow\w*|headers?|text|below|is|attached|includ\w+|all|the)){0,8}"
    heading = rf"{before}(?:a |the |your )?(?:{headings}){after}[^\w\n]{{0,80}}"
    return re.compile(rf"\n[ \t>*=_#-]{{0,80}}(?:{heading}|{_HEADER})(?=\n|\Z)", re.IGNORECASE)
