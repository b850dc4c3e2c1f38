"""What follows from the ledger: replaying rows into suppressions, as the write path did. Pure."""

from dataclasses import dataclass
from typing import TypeAlias

from prefsvc.ledger_row import LedgerRow
from prefsvc.suppression import (
    Reason,
    Scope,
    State,
    decide,
    is_unproven,
    may_lift,
    parse_act,
    parse_reason,
)

Slot: TypeAlias = tuple[bytes, str, Scope, Reason]
"""What a suppression is about: an address, a channel, a scope and a reason."""


@dataclass(frozen=True, slots=True)
class Consequence:
    """A suppression as the ledger has it follow, from the row at this position."""

    state: State
    position: int


Followed: TypeAlias = dict[Slot, Consequence]


def replay(followed: Followed, row: LedgerRow) -> None:
    """Say what follows from one more row."""
    slot = read_slot(row.address_key, row.channel, row.scope, row.topic, row.reason)
    if slot is None or row.act not in {"opt_out", "opt_in"}:
        return  # Such a row's seal has told already.
    _, _, scope, reason = slot
    kind = parse_act(row.act)
    said_at = min(row.sent_at or row.received_at, row.received_at)
    said = State(
        scope,
        reason,
        kind == "opt_out",
        said_at,
        row.deadline_at,
        row.event_id,
        is_unproven(row.source),
    )
    standing = followed[slot].state if slot in followed else None
    _, state = decide(kind, standing, said, may_lift=may_lift(row.source, reason))
    if state is not None and state is not standing:
        followed[slot] = Consequence(state, row.position)


def read_slot(address_key: bytes, channel: str, scope: str, topic: str, reason: str) -> Slot | None:
    """Read what a stored row is about; None for words that prefsvc never writes."""
    try:
        return (address_key, channel, Scope.parse(scope, topic), parse_reason(reason))
    except (KeyError, ValueError):
        return None
