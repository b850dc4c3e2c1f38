"""What a receipt says to a person, in their language: plain, short, and nothing that advertises.

Pure. It says what the page of a link would, in the same words (prefsvc/wording).
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal
from unicodedata import category

from prefsvc.wording.texts import TEXTS

Covered = Literal["topic", "channel", "brand"]

_ENDS_OF_LINES: Final = frozenset({"Cc", "Zl", "Zp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is said: what was stopped and by when, and the way to take it back where there is one.

    `since` is for what had been stopped before; `contact` is where a person can ask, or empty.
    """

    language: str
    brand: str
    covered: Covered
    topic: str = ""
    deadline: date | None = None
    since: date | None = None
    undo_url: str = field(default="", repr=False)
    undo_until: date | None = None
    contact: str = ""
    number: str
    """The opt-out's, by which the operator finds it."""


def mail_of(told: Told) -> tuple[str, str]:
    """Return the subject and the text."""
    say = _Words(told)
    heading = say(f"{'already' if told.since else 'done'}.heading.{told.covered}")
    counts = say("already.stands_since" if told.since else "done.at_once")
    paragraphs = [
        heading,
        f"{counts} {say('deadline')}" if told.deadline else counts,
        f"{say('receipt.undo')}\n{told.undo_url}" if told.undo_until else "",
        "\n".join(filter(None, _about(told, say))),
    ]
    return heading, "\n\n".join(filter(None, paragraphs)) + "\n"


class _Words:
    """The texts of one receipt, with its fields."""

    def __init__(self, told: Told) -> None:
        self.texts = TEXTS[told.language]
        days = {"deadline": told.deadline, "since": told.since, "until": told.undo_until}
        self.fields = {
            "brand": one_line(told.brand),
            "topic": one_line(told.topic),
            "contact": told.contact,
        } | {name: self.texts.written_day(day) for name, day in days.items() if day}

    def __call__(self, key: str) -> str:
        """Say it; a text that names what this receipt does not have is a fault."""
        return self.texts.say_plainly(key, "email", self.fields)


def _about(told: Told, say: _Words) -> list[str]:
    return [
        say("receipt.automatic"),
        say("page.help") if told.contact else "",
        f"{say('page.receipt')}: {told.number}",
    ]


def one_line(name: str) -> str:
    """Return a name as it may stand in a header field: without what could end the field.

    Nor with an encoded word, which Python's email package reads where it should write, and then
    writes the end of a line that was in it.
    """
    kept = (" " if category(one) in _ENDS_OF_LINES else one for one in name)
    return " ".join("".join(kept).replace("=?", "= ?").split())
