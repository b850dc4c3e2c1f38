"""Reading the JSON that providers post: whatever is in it, a value comes out or nothing does."""

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import msgspec

from prefsvc.errors import BodyTooLarge, InvalidBody
from prefsvc.mail_events.event import MailEvent, Reading

Fields: TypeAlias = Mapping[str, Any]
Reader: TypeAlias = Callable[[Fields], Iterable[MailEvent]]

_TEXT_LENGTH_MAX: Final = 512
_ADDRESS_LENGTH_MAX: Final = 1024  # of which prefsvc.address takes as many
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL stores neither
_LATEST_SECONDS: Final = 32_503_680_000  # the year 3000; as milliseconds, January 1971


def decoded(body: bytes | str) -> Any:
    """Read JSON, or refuse what is none or is nested without end."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise InvalidBody("The body is not whole, well-formed JSON in UTF-8.") from None


def read_each(document: object, read: Reader, *, most: int) -> Reading:
    """Read an event, or a list of them; one that is none takes nothing from the others."""
    found = document if isinstance(document, list) else [document]
    if len(found) > most:
        raise BodyTooLarge(f"There are more than {most} events in the body; send fewer at once.")
    if not isinstance(document, list | dict):
        raise InvalidBody("The body is neither an event nor a list of events.")
    whole = [one for one in found if isinstance(one, dict)]
    events = tuple(event for one in whole for event in read(one))
    return Reading(events, unreadable=len(found) - len(whole))


def within(fields: Fields, *names: str) -> Fields:
    """Return an object inside, however deep; an empty one where it is not there."""
    for name in names:
        inner = fields.get(name)
        fields = inner if isinstance(inner, dict) else {}
    return fields


def text(fields: Fields, *names: str) -> str:
    """Return the first of these that says something, as one bounded text; empty if none does."""
    return next(filter(None, (_text(fields.get(name), _TEXT_LENGTH_MAX) for name in names)), "")


def address(fields: Fields, *names: str) -> str:
    """Return the first of these that says something, whole: a cut address is another one."""
    found = (_text(fields.get(name), _ADDRESS_LENGTH_MAX + 1) for name in names)
    return next(filter(None, found), "")


def objects(value: object) -> list[Fields]:
    """Return the objects in a list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def texts(value: object) -> tuple[str, ...]:
    """Return the texts and numbers in a list, or the one that stands there without it."""
    several = value if isinstance(value, list) else [value]
    return tuple(filter(None, (_text(one, _TEXT_LENGTH_MAX) for one in several)))


def _text(value: object, most: int) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return _UNSTORABLE.sub("\ufffd", str(value)[:most]).strip()


def moment(value: object) -> datetime | None:
    """Read a moment: the time since 1970, as a number or in digits, or a text as in ISO 8601.

    Seconds, or milliseconds where seconds would be beyond the year 3000: a moment read a thousand
    times too early would make an opt-out older than every opt-in.
    """
    number = _number(value)
    if number is not None:
        return _since_1970(number / 1000 if number >= _LATEST_SECONDS else number)
    return _iso_8601(value) if isinstance(value, str) else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _since_1970(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if 0 <= seconds < _LATEST_SECONDS else None


def _iso_8601(written: str) -> datetime | None:
    # Postmark writes seven digits of a second, and Python reads six.
    written = re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", written.strip()[:64])
    try:
        read = datetime.fromisoformat(written)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def made_id(*parts: object) -> str:
    """Make the name of an event whose provider gives it none, out of what tells it apart."""
    written = "\0".join(_text(part, _TEXT_LENGTH_MAX) for part in parts)
    return hashlib.sha256(written.encode()).hexdigest()[:32]
