"""How an outcome goes on over a day: a few straight lines, so that most opt-outs are read off one.

Each window ends a fixed while after it began, or at a fixed moment, or at the earlier of the two,
from one midnight to the next, in every zone that counts, and as long as no clock is changed. So
what moves with the beginning of such a piece of a day as it does at its end does so all along, and
what is the same at both is the same between.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from msgspec import Struct
from msgspec import field as struct_field

from prefsvc.honour.business_days import start_of_day, zone

_DAY: Final = timedelta(days=1)
_QUARTERS: Final = [n * timedelta(minutes=15) for n in range(96)]
_LEAST: Final = timedelta(microseconds=1)

SkippedDays = dict[str, tuple[date, ...]]
"""By a window's id: the holidays that were passed over."""


class Due(Struct, frozen=True):
    """By when an opt-out must have been heard, and what its basis and moments do not tell."""

    deadline_at: datetime
    target_at: datetime | None
    skipped: SkippedDays = struct_field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """The outcome from the beginning of a piece of a day to its end."""

    due: Due
    begin: datetime
    deadline_moves: bool
    target_moves: bool

    def at(self, moment: datetime) -> Due:
        """Return the outcome for a moment of the piece."""
        after = moment - self.begin
        due = self.due
        target_at = due.target_at + after if due.target_at and self.target_moves else due.target_at
        return Due(
            due.deadline_at + after if self.deadline_moves else due.deadline_at,
            target_at,
            due.skipped,
        )


@dataclass(slots=True)
class Day:
    """A day in UTC, cut into pieces; a line is drawn when somebody asks for it."""

    cuts: list[datetime]
    """Where its pieces begin, and the end of the last."""
    lines: dict[int, Line | None] = field(default_factory=dict)

    def line(self, moment: datetime, due: Callable[[datetime], Due]) -> Line | None:
        """Return the line that a moment is on; None where the outcome bends within its piece."""
        piece = bisect_right(self.cuts, moment) - 1
        if piece not in self.lines:
            self.lines[piece] = _drawn(self.cuts[piece], self.cuts[piece + 1] - _LEAST, due)
        return self.lines[piece]


def cut(day: date, zones: Collection[str], ends: Callable[[datetime], list[datetime]]) -> Day:
    """Cut a day in UTC where a day begins in one of the zones; `ends` are those of the windows.

    Where a clock is changed about then, or about the end of a window, into quarters of an hour: no
    clock is changed, and no day begins, within one.
    """
    begin = datetime.combine(day, time.min, UTC)
    end = begin + _DAY
    if _is_calm(begin, end, zones, [*ends(begin), *ends(end)]):
        midnights = {
            start_of_day(day + number * _DAY, name) for number in (-1, 0, 1) for name in zones
        }
        between = sorted(at for at in midnights if begin < at < end)
    else:
        between = [begin + after for after in _QUARTERS[1:]]
    return Day([begin, *between, end])


def _is_calm(begin: datetime, end: datetime, zones: Collection[str], ends: list[datetime]) -> bool:
    """Say whether no clock is changed about a day, nor about when windows end that begin on it."""
    spans = [(begin, end), *((at, at) for at in ends)]
    return all(
        _offset(first - 2 * _DAY, name) == _offset(last + 2 * _DAY, name)
        for first, last in spans
        for name in zones
    )


def _offset(at: datetime, zone_name: str) -> timedelta | None:
    return at.astimezone(zone(zone_name)).utcoffset()


def _drawn(first: datetime, last: datetime, due: Callable[[datetime], Due]) -> Line | None:
    """Draw the outcome over a piece; None where it bends within it."""
    at_first, at_last = due(first), due(last)
    whole = last - first
    deadline = _movement(at_last.deadline_at - at_first.deadline_at, whole)
    if deadline is None:
        return None
    if at_first.target_at is None or at_last.target_at is None:
        return Line(at_first, first, deadline_moves=deadline, target_moves=False)
    target = _movement(at_last.target_at - at_first.target_at, whole)
    if target is None:
        return None
    return Line(at_first, first, deadline_moves=deadline, target_moves=target)


def _movement(moved: timedelta, whole: timedelta) -> bool | None:
    """Say whether something moves all the time or not at all; None if now and then."""
    return {whole: True, timedelta(0): False}.get(moved)
