"""How long a promise or a law gives: a number and a unit, kept as written (RULES L-51).

"10 business days" is never turned into 14 calendar days: how long it lasts depends on the day it
begins, and a stored conversion could not be checked later.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal, Self

Unit = Literal["calendar_days", "business_days", "hours", "months"]

_WRITTEN: Final = re.compile(r"([0-9]{1,4}) (calendar day|business day|day|hour|month)s?")
_UNITS: Final[dict[str, Unit]] = {
    "calendar day": "calendar_days",
    "day": "calendar_days",
    "business day": "business_days",
    "hour": "hours",
    "month": "months",
}
_WORDS: Final[dict[Unit, str]] = {
    "calendar_days": "day",
    "business_days": "business day",
    "hours": "hour",
    "months": "month",
}
_MOST: Final = 1000  # of any unit; a longer window is a slip of the finger


@dataclass(frozen=True, slots=True)
class Span:
    """A number of calendar days, business days, hours or months."""

    number: int
    unit: Unit

    def __post_init__(self) -> None:
        """Refuse what no promise can mean."""
        if not 0 <= self.number <= _MOST:
            raise ValueError(f"a span is from 0 to {_MOST} of its unit, not {self.number}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "14 days", "10 business days", "48 hours" or "1 month"."""
        match = _WRITTEN.fullmatch(text)
        if not match:
            raise ValueError(
                f'"{text}" is not "14 days", "10 business days", "48 hours", "1 month" or the like'
            )
        return cls(int(match[1]), _UNITS[match[2]])

    @property
    def written(self) -> str:
        """Return it as it is read."""
        return f"{self.number} {_WORDS[self.unit]}{'' if self.number == 1 else 's'}"
