"""The events that Telnyx posts, and values out of JSON of any shape.

Read by the standard library and not by msgspec, which refuses half of a surrogate pair: an emoji
that was cut in two is no reason to lose the STOP before it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from prefsvc.errors import InvalidBody
from prefsvc.sms.message import FIELD_CHARS_MAX, storable

Values = Mapping[str, object]

_NOTHING: Final[Values] = {}


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, to what, and when: Telnyx' `data`, of which the payload is the message."""

    kind: str
    payload: Values = field(repr=False)
    occurred_at: object = None


def parse_event(body: bytes) -> Event:
    """Read an event, or refuse what is none."""
    try:
        read = json.loads(body.decode(errors="replace"))
    except (ValueError, RecursionError):
        raise InvalidBody("The body is not whole, well-formed JSON.") from None
    data = values_of(values_of(read).get("data"))
    kind = text_of(data.get("event_type"))
    if kind is None:
        raise InvalidBody(pointer="/data/event_type")
    return Event(kind, values_of(data.get("payload")), data.get("occurred_at"))


def values_of(found: object) -> Values:
    """Return an object; an empty one where there is none."""
    return found if isinstance(found, dict) else _NOTHING


def items_of(found: object) -> list[object]:
    """Return a list; an empty one where there is none."""
    return found if isinstance(found, list) else []


def text_of(found: object, chars_max: int = FIELD_CHARS_MAX) -> str | None:
    """Return a text that says something, as it can be stored."""
    return storable(found.strip(), chars_max) or None if isinstance(found, str) else None
