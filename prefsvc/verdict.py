"""Whether a message might be sent when it was: judged by what its address had said until then.

Pure. An address's acts are replayed as the register replays them, but only those that counted at
the moment of sending: an opt-out from when it was received, an opt-in from when it was said. What
came later excuses nothing and accuses nobody.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

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
    its source can lift (suppression.LIFTING_SOURCES). `position` is its place in its bucket.
    """

    state: State
    may_lift: bool
    position: int
    received_at: datetime
    recorded_at: datetime

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
    """What the list of a registered mailing knew: up to which position of the address's bucket.

    `position` is None where the mailing was registered in another history of the feed.
    """

    registered_at: datetime
    position: int | None

    def precedes(self, said: Said) -> bool:
        """Say whether the list was provably cut before this was recorded (RULES L-55)."""
        beyond = self.position is None or said.position > self.position
        return said.recorded_at > self.registered_at and beyond


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


def judge(history: Iterable[Said], send: Send) -> Verdict:
    """Judge one message by all that was ever said of its address, in any order.

    violation: after the deadline of an opt-out that forbids it. in_flight: before that deadline;
    or, by post, printed from a list that was cut before the opt-out was recorded, whatever the day
    (SEEDS 4, RULES L-55). exempt: covered by an opt-out that does not forbid its message class.
    """
    said = _in_order(history)
    verdict = _by_the_clock(said, send)
    if verdict.kind != "violation" or send.channel != "post" or send.cut is None:
        return verdict
    cut = send.cut
    known = [one for one in said if not (one.state.active and cut.precedes(one))]
    if _by_the_clock(known, send).kind == "violation":
        return verdict
    return Verdict("in_flight", "cut_before_the_opt_out", verdict.state)


def knew(history: Iterable[Said], send: Send, position: int) -> bool:
    """Say whether whoever had heard everything up to this position knew not to send it."""
    heard = [one for one in _in_order(history) if one.position <= position]
    return obstacle(_standing(heard, send.sent_at), send.question) is not None


def _in_order(history: Iterable[Said]) -> list[Said]:
    return sorted(history, key=lambda one: one.position)


def _by_the_clock(said: Sequence[Said], send: Send) -> Verdict:
    states = _standing(said, send.sent_at)
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


def _standing(said: Sequence[Said], at: datetime) -> list[State]:
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
