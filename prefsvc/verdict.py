"""Whether a message might be sent when it was: judged by what its address had said until then.

Pure. An address's acts are replayed as the register replays them, but only those that counted at
the moment of sending: an opt-out from when it was received, an opt-in from when it was said. What
came later excuses nothing and accuses nobody.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Self

from prefsvc.address import Channel
from prefsvc.suppression import ActKind, Question, Reason, Scope, State, decide, obstacle

VerdictKind = Literal["clear", "in_flight", "violation", "exempt"]
Why = Literal[
    "after_the_deadline", "class_not_covered", "cut_before_the_opt_out", "inside_the_window"
]


@dataclass(frozen=True, slots=True)
class Said:
    """An act of an address, as the ledger has it.

    `state` is what the act alone would have stand: active for an opt-out. `may_lift` says whether
    its source can lift it (suppression.may_lift). `position` is its place in its bucket.
    """

    state: State
    may_lift: bool
    position: int
    received_at: datetime

    @property
    def kind(self) -> ActKind:
        """Return which act it was."""
        return "opt_out" if self.state.active else "opt_in"

    @property
    def counts_from(self) -> datetime:
        """Return since when a sender is bound by it, or free again.

        An opt-out binds from its receipt (RULES L-01), whenever it was posted; a person who has
        agreed again may be written to from that moment on.
        """
        return self.received_at if self.state.active else self.state.said_at


@dataclass(frozen=True, slots=True)
class Cut:
    """What the list of a registered mailing knew, by positions in the address's bucket.

    `head` is how far the ledger had come when the mailing was registered, `position` how far the
    list had; None where it was registered in another history of the feed. A mailing that is on
    record outlived what was lost, and so did all that was before its `head`.
    """

    head: int
    position: int | None

    def precedes(self, said: Said) -> bool:
        """Say whether the list was provably cut before this was recorded (RULES L-55).

        By its place in the ledger: the clocks of two processes may differ.
        """
        return said.position > self.after

    @property
    def after(self) -> int:
        """Return the position after which everything was recorded too late for the list."""
        return max(self.head, self.position or 0)


@dataclass(frozen=True, slots=True)
class Send:
    """One message: when it was sent, on which channel, what it was, and of which mailing."""

    sent_at: datetime
    channel: Channel
    question: Question
    cut: Cut | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a message was, why, and the state that decided it; `clear` has neither."""

    kind: VerdictKind
    why: Why | None = None
    state: State | None = None


CLEAR: Final = Verdict("clear")


@dataclass(frozen=True, slots=True)
class History:
    """All that an address ever said, to judge any number of messages by."""

    said: tuple[Said, ...]
    """In the order of the ledger."""
    counting_from: tuple[datetime, ...]
    """When one more of them began to count, the earliest first."""
    _stood: dict[tuple[int, int | None, int | None], list[State]] = field(
        default_factory=dict, compare=False, repr=False
    )

    @classmethod
    def of(cls, said: Iterable[Said]) -> Self:
        """Prepare what was said, in whatever order it was read."""
        ordered = tuple(sorted(said, key=lambda one: one.position))
        return cls(ordered, tuple(sorted(one.counts_from for one in ordered)))

    def standing(
        self, at: datetime, *, until: int | None = None, cut: Cut | None = None
    ) -> list[State]:
        """Return what stood at a moment, for those who had heard all up to a position, or a cut.

        Between two acts nothing changes, so what was replayed for one message serves others.
        """
        key = (bisect_right(self.counting_from, at), until, cut.after if cut else None)
        if key not in self._stood:
            self._stood[key] = _replayed(self._heard(until, cut), at)
        return self._stood[key]

    def _heard(self, until: int | None, cut: Cut | None) -> Iterable[Said]:
        for one in self.said:
            if until is not None and one.position > until:
                return
            if not (cut and one.state.active and cut.precedes(one)):
                yield one


SILENT: Final = History.of(())
"""The history of an address that never said anything."""


def judge(history: History, send: Send) -> Verdict:
    """Judge one message by all that was ever said of its address.

    violation: after the deadline of an opt-out that forbids it. in_flight: before that deadline;
    or, by post, printed from a list that was cut before the opt-out was recorded, whatever the day
    (SEEDS 4, RULES L-55). exempt: covered by an opt-out that does not forbid its message class.
    """
    verdict = _by_the_clock(history.standing(send.sent_at), send)
    if verdict.kind != "violation" or send.channel != "post" or send.cut is None:
        return verdict
    listed = _by_the_clock(history.standing(send.sent_at, cut=send.cut), send)
    if listed.kind == "violation":
        return listed  # by an opt-out that the list had
    return Verdict("in_flight", "cut_before_the_opt_out", verdict.state)


def knew(history: History, send: Send, position: int) -> bool:
    """Say whether whoever had heard everything up to this position knew not to send it."""
    return obstacle(history.standing(send.sent_at, until=position), send.question) is not None


def _by_the_clock(states: Sequence[State], send: Send) -> Verdict:
    if late := obstacle(_due_before(states, send.sent_at), send.question):
        return Verdict("violation", "after_the_deadline", late)
    if early := obstacle(states, send.question):
        return Verdict("in_flight", "inside_the_window", early)
    covering = [one for one in states if one.active and one.scope.covers(send.question)]
    if covering:
        return Verdict("exempt", "class_not_covered", covering[0])
    return CLEAR


def _due_before(states: Iterable[State], at: datetime) -> list[State]:
    return [one for one in states if one.deadline_at is not None and one.deadline_at < at]


def _replayed(said: Iterable[Said], at: datetime) -> list[State]:
    """Replay what counted at this moment; the first deadline stands, as it does in the register."""
    slots: dict[tuple[Scope, Reason], State] = {}
    for one in said:
        if one.counts_from > at:
            continue
        standing = slots.get(one.state.slot)
        _, state = decide(one.kind, standing, one.state, may_lift=one.may_lift)
        if state is not None:
            slots[one.state.slot] = state
    return list(slots.values())
