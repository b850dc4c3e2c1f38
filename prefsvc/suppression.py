"""What an opt-out covers, what follows from acts in any order, and whether a message may go out.

The whole meaning of the register in one pure module. Every suppression is one register of its own,
keyed by address, scope, topic and reason, in which the person's latest word wins and *stop* wins a
tie. That makes the outcome the same however acts are repeated or reordered on their way here
(RULES S-20, P-09): clearing one reason or scope clears no other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

ActKind = Literal["opt_out", "opt_in"]
Effect = Literal["added", "lifted", "none"]
ScopeKind = Literal["topic", "channel", "brand", "third_party_sharing"]
MessageClass = Literal["marketing", "transactional", "service"]
Purpose = Literal["message", "third_party_sharing"]
Reason = Literal[
    "opt_out", "complaint", "undeliverable", "deactivated", "restriction", "alias", "reassigned"
]

_SCOPE_KINDS: dict[str, ScopeKind] = {
    "topic": "topic",
    "channel": "channel",
    "brand": "brand",
    "third_party_sharing": "third_party_sharing",
}

BLOCKED_BY_REASON: dict[Reason, frozenset[MessageClass]] = {
    # An opt-out covers marketing only (RULES P-10); so does a complaint (E-40).
    "opt_out": frozenset({"marketing"}),
    "complaint": frozenset({"marketing"}),
    # Nothing reaches a dead address, whatever its class.
    "undeliverable": frozenset({"marketing", "transactional", "service"}),
    # A deactivated account stops service announcements too; a person's own order still arrives.
    "deactivated": frozenset({"marketing", "service"}),
    "restriction": frozenset({"marketing", "service"}),
    # What was said of another spelling of the number, which may only be about marketing.
    "alias": frozenset({"marketing"}),
    # Another person has the number now (S-33). Whatever is sent reaches a stranger: a receipt tells
    # them what somebody bought, a code lets them into somebody's account.
    "reassigned": frozenset({"marketing", "transactional", "service"}),
}

PERSONS_WORDS: frozenset[Reason] = frozenset({"opt_out", "complaint"})
"""The reasons that are what a person said; they hold for every spelling of the number."""

LIFTING_SOURCES = frozenset(
    {"confirmation", "in_store", "letter", "phone", "preference_centre", "sms_reply", "undo"}
)
"""Where a person's own later word can come from. A purchase, a form that may have been filled in
for something else, an import or a provider's event records an opt-in and lifts nothing (RULES
P-08), with one exception (may_lift)."""

UNORDERED_START = "sms_reply_unordered"
"""A START by text that may have been sent before the STOP that it arrived after (RULES S-20): it
lifts nothing."""

UNPROVEN_SOURCES: dict[str, str] = {
    "mail_reply": "mail_reply_unproven",
    "complaint": "complaint_unproven",
    "bounce": "bounce_unproven",
}
"""What an opt-out's source is called where anybody could have written the mail (RULES E-34)."""

FORGED_MAIL = "forged_mail"
"""An opt-in that is the finding that a mail was forged, so that the person never said it. It lifts
what stands by such mail alone; whatever anybody else put there, or said again, stays."""

_UNPROVEN = frozenset({*UNPROVEN_SOURCES.values(), FORGED_MAIL})
_NOBODYS_WORD = datetime(1970, 1, 1, tzinfo=UTC)

OPT_OUT_SOURCES = frozenset(
    {
        "api", "bounce", "complaint", "fax", "import", "in_store", "letter", "link", "mail_reply",
        "mailbox", "one_click", "phone", "preference_centre", "provider_block", "provider_event",
        "registration", "sms_reply",
    }
)  # fmt: skip
SAME_WORD = timedelta(minutes=1)
"""An opt-out repeated so soon is the same word: a retry, a double click."""
OPT_IN_SOURCES = LIFTING_SOURCES | {"form", "import", "provider_event", "purchase", "registration"}


def may_lift(source: str, reason: Reason) -> bool:
    """Say whether an opt-in from this source can lift a suppression of this reason.

    That a number has another owner is nobody's wish: whoever gives it to the company afterwards, in
    a form or a purchase, is that owner (S-33). Only what another program passes on may still be
    about the last one; and the last one still has old messages, with their links and undo.
    """
    if reason == "reassigned":
        return source in OPT_IN_SOURCES - {"import", "provider_event", "undo"}
    return source in LIFTING_SOURCES or (source == FORGED_MAIL and reason != "alias")


def is_unproven(source: str) -> bool:
    """Say whether an opt-out is a claim by mail, and whether an opt-in takes back only such."""
    return source in _UNPROVEN


class Scope(Struct, frozen=True, order=True):
    """What an opt-out covers for its address: one topic, the channel, the brand, or sharing."""

    kind: ScopeKind
    topic: str = ""

    def __post_init__(self) -> None:
        """Hold the invariant that the ledger holds too: a topic exactly in topic scope."""
        if (self.kind == "topic") != bool(self.topic):
            raise ValueError("a topic belongs to topic scope, and only there")

    @classmethod
    def parse(cls, kind: str, topic: str) -> "Scope":
        """Read a scope back from the database."""
        return cls(_SCOPE_KINDS[kind], topic)

    @classmethod
    def of(cls, reason: Reason, asked: "Scope") -> "Scope":
        """Return what a reason is about, whatever was asked for.

        Who has a number is no matter of topics or channels: all that the brand sends reaches them.
        """
        return cls("brand") if reason == "reassigned" else asked

    def covers(self, question: "Question") -> bool:
        """Say whether what is asked lies within this scope; a wider scope dominates a narrower."""
        if self.kind == "third_party_sharing" or question.purpose == "third_party_sharing":
            # Sharing is a purpose of its own (RULES P-12): no other scope reaches it.
            return self.kind == question.purpose
        return self.kind in {"brand", "channel"} or self.topic == question.topic


@dataclass(frozen=True, slots=True)
class Question:
    """What a sender is about to do."""

    topic: str = ""
    message_class: MessageClass = "marketing"
    purpose: Purpose = "message"


_OPT_OUT: ActKind = "opt_out"
_OPT_IN: ActKind = "opt_in"
_ADDED: Effect = "added"
_LIFTED: Effect = "lifted"
_NONE: Effect = "none"
_REASONS: dict[str, Reason] = {reason: reason for reason in BLOCKED_BY_REASON}
_MESSAGE_CLASSES: dict[str, MessageClass] = {
    "marketing": "marketing",
    "transactional": "transactional",
    "service": "service",
}


def parse_reason(text: str) -> Reason:
    """Read a reason back from the database."""
    return _REASONS[text]


def parse_message_class(text: str) -> MessageClass:
    """Read a message class back from the database."""
    return _MESSAGE_CLASSES[text]


def parse_act(text: str) -> ActKind:
    """Read an act back from the database."""
    return {"opt_out": _OPT_OUT, "opt_in": _OPT_IN}[text]


def parse_effect(text: str) -> Effect:
    """Read an effect back from the database."""
    return {"added": _ADDED, "lifted": _LIFTED, "none": _NONE}[text]


class State(Struct, frozen=True):
    """How one address stands in one scope for one reason.

    `said_at` is the moment of the latest word on it; the deadline and `event_id` are those of the
    act that decided it. `unproven` is that only mail which anybody could have written has said so.
    """

    scope: Scope
    reason: Reason
    active: bool
    said_at: datetime
    deadline_at: datetime | None
    event_id: UUID
    unproven: bool = False

    @property
    def slot(self) -> tuple[Scope, Reason]:
        """Return what the state is about, beside the address."""
        return (self.scope, self.reason)


def decide(
    kind: ActKind, standing: State | None, said: State, *, may_lift: bool
) -> tuple[Effect, State | None]:
    """Say what an act does to the state that stands, and which state stands afterwards.

    `said` is the state as the act alone would have it. An opt-out said again stands as it first
    did, unless it turns out to have been said earlier: then the earlier deadline counts. That it
    was said again is remembered, so that an opt-in from between the two lifts nothing (S-20).
    """
    if kind == "opt_out":
        return _opt_out(standing, said)
    return _opt_in(standing, said, may_lift=may_lift)


def _opt_out(standing: State | None, said: State) -> tuple[Effect, State]:
    if standing is None:
        return "added", said
    if standing.active:
        return _said_again(standing, said)
    # Stop wins a tie (RULES S-20).
    return ("added", said) if said.said_at >= standing.said_at else ("none", standing)


def _said_again(standing: State, said: State) -> tuple[Effect, State]:
    said_at = max(said.said_at, standing.said_at)
    unproven = standing.unproven and said.unproven
    if _is_due_earlier(said, standing):
        return "added", replace(said, said_at=said_at, unproven=unproven)
    if said.said_at - standing.said_at >= SAME_WORD or unproven != standing.unproven:
        return "none", replace(standing, said_at=said_at, unproven=unproven)
    return "none", standing


def _is_due_earlier(said: State, standing: State) -> bool:
    if said.deadline_at is None or standing.deadline_at is None:
        return False
    # Of the same word said at once by many, the one that comes first may bear a later moment.
    return standing.deadline_at - said.deadline_at >= SAME_WORD


def _opt_in(standing: State | None, said: State, *, may_lift: bool) -> tuple[Effect, State | None]:
    if said.unproven:
        return _found_forged(standing, said, may_lift=may_lift)
    # One that may not lift an opt-out does not hold off a late one either (RULES P-08).
    if not may_lift or (standing and said.said_at <= standing.said_at):
        return "none", standing
    if standing is None:
        # Remembered, so that an older opt-out arriving late does not undo it.
        return "none", said
    return ("lifted" if standing.active else "none"), said


def _found_forged(
    standing: State | None, said: State, *, may_lift: bool
) -> tuple[Effect, State | None]:
    if not (may_lift and standing and standing.active and standing.unproven):
        return "none", standing
    # Nobody has said anything: what a person said before, and comes late, must still count.
    return "lifted", replace(said, said_at=_NOBODYS_WORD, unproven=False)


def obstacle(states: Iterable[State], question: Question) -> State | None:
    """Return what forbids it, the widest and longest-standing first; None if nothing does."""
    against = [state for state in states if _forbids(state, question)]
    width: dict[ScopeKind, int] = {"brand": 0, "channel": 1, "third_party_sharing": 2, "topic": 3}
    return min(against, key=lambda s: (width[s.scope.kind], s.said_at), default=None)


def _forbids(state: State, question: Question) -> bool:
    if not (state.active and state.scope.covers(question)):
        return False
    return (
        question.purpose == "third_party_sharing"
        or question.message_class in BLOCKED_BY_REASON[state.reason]
    )
