"""How a sender stands: what it owes, which steps of its clock have passed, and its state.

Pure. A sender owes every opt-out beyond its acknowledgement. Each of them passes four steps on its
way to the deadline; the sender's own steps are the earliest of each among all that it owes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

Step = Literal["half", "four_fifths", "target", "overdue"]
SenderState = Literal["clear", "due_soon", "past_target", "overdue", "never_heard"]

STEPS: Final[tuple[Step, ...]] = ("half", "four_fifths", "target", "overdue")
"""In the order of their gravity."""

HALF: Final = 0.5
FOUR_FIFTHS: Final = 0.8


@dataclass(frozen=True, slots=True)
class Owed:
    """What a sender has not acknowledged: how many opt-outs, and when the first of them is ...

    half-way to its deadline, four fifths of the way, at the brand's target, and at its deadline.
    """

    count: int = 0
    half_at: datetime | None = None
    four_fifths_at: datetime | None = None
    target_at: datetime | None = None
    deadline_at: datetime | None = None

    def at(self, step: Step) -> datetime | None:
        """Return when a step is reached."""
        return {
            "half": self.half_at,
            "four_fifths": self.four_fifths_at,
            "target": self.target_at,
            "overdue": self.deadline_at,
        }[step]

    def passed(self, now: datetime) -> tuple[Step, ...]:
        """Return the steps that have been reached, the gravest last."""
        return tuple(step for step in STEPS if (at := self.at(step)) is not None and at <= now)


NOTHING_OWED: Final = Owed()


def together(parts: Iterable[Owed]) -> Owed:
    """Sum up several parts of what is owed."""
    every = list(parts)
    return Owed(
        sum(one.count for one in every),
        _earliest(one.half_at for one in every),
        _earliest(one.four_fifths_at for one in every),
        _earliest(one.target_at for one in every),
        _earliest(one.deadline_at for one in every),
    )


def state(owed: Owed, now: datetime, *, has_acknowledged: bool) -> SenderState:
    """Return a sender's state, the gravest that is true of it.

    `has_acknowledged` is whether it has done so in this history: who has not is never known to be
    in order, whatever it owes.
    """
    if not has_acknowledged:
        return "never_heard"
    passed = owed.passed(now)
    if "overdue" in passed:
        return "overdue"
    if "target" in passed:
        return "past_target"
    return "due_soon" if passed else "clear"


@dataclass(frozen=True, slots=True)
class Grace:
    """The window of a sender that has acknowledged nothing: since when, and how long."""

    begin: datetime
    window: timedelta

    def at(self, fraction: float) -> datetime:
        """Return when this much of it is over."""
        return self.begin + self.window * fraction


def with_grace(owed: Owed, grace: Grace) -> Owed:
    """Let no step be reached before its part of the grace is over.

    Such a sender owes everything that was said before it came, much of it long due. The target is
    not a fraction of a window, so it gives way as far as half of it does: it may warn early.
    """
    return Owed(
        owed.count,
        _not_before(grace.at(HALF), owed.half_at),
        _not_before(grace.at(FOUR_FIFTHS), owed.four_fifths_at),
        _not_before(grace.at(HALF), owed.target_at),
        _not_before(grace.at(1), owed.deadline_at),
    )


def _not_before(begin: datetime, at: datetime | None) -> datetime | None:
    return max(begin, at) if at else None


def _earliest(moments: Iterable[datetime | None]) -> datetime | None:
    return min((at for at in moments if at is not None), default=None)
