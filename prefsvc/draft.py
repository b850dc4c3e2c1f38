"""What a transaction has read, and is about to write: each act is decided against all before it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from msgspec.structs import replace

from prefsvc import honour, ledger, reckonings
from prefsvc.act import Act, of_a_new_owner
from prefsvc.address import Channel, parse_channel
from prefsvc.db import queries
from prefsvc.db.connection import Json, Tx
from prefsvc.evidence import storable
from prefsvc.honour import Basis, Due
from prefsvc.ledger import Entry, Place
from prefsvc.recorded import Recorded
from prefsvc.suppression import (
    PERSONS_WORDS,
    ActKind,
    Effect,
    Reason,
    Scope,
    State,
    decide,
    is_unproven,
    may_lift,
    parse_effect,
    parse_reason,
)

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""A moment before this is a fault of some clock; near the year 1 no deadline can be counted."""

Slot = tuple[Place, bytes, Channel, Scope, Reason]


@dataclass(slots=True)
class Draft:
    """How things stand as far as this transaction has come, and what it will append."""

    states: dict[Slot, State] = field(default_factory=dict)
    recorded: dict[tuple[Place, str | UUID], Recorded] = field(default_factory=dict)
    """By an idempotency key, or by the id that an act was given before it was recorded."""
    entries: list[Entry] = field(default_factory=list)
    changed: dict[Slot, int] = field(default_factory=dict)
    """For each slot that changes, the number of the entry that changes it last."""


async def read(tx: Tx, acts: Sequence[Act]) -> Draft:
    """Read how everything stands that these acts are about; their places are locked."""
    draft = Draft()
    asked = {(*act.place, act.recipient.address_key) for act in acts}
    for row in await queries.states_of(
        tx.conn, rows=[queries.StatesOfIn(*one) for one in sorted(asked)]
    ):
        state = State(
            Scope.parse(row.scope, row.topic),
            parse_reason(row.reason),
            row.active,
            row.said_at,
            row.deadline_at,
            row.event_id,
            row.unproven,
        )
        place, channel = (row.bucket, row.brand_id), parse_channel(row.channel)
        draft.states[place, row.address_key, channel, state.scope, state.reason] = state
    requests = {(*act.place, act.idempotency_key) for act in acts if act.idempotency_key}
    for known in await queries.recorded_under(
        tx.conn, rows=[queries.RecordedUnderIn(*one) for one in sorted(requests)]
    ):
        draft.recorded[(known.bucket, known.brand_id), known.idempotency_key] = _before(known)
    given = {(act.place[0], act.event_id) for act in acts if act.event_id}
    for event in await queries.recorded_as(
        tx.conn, rows=[queries.RecordedAsIn(*one) for one in sorted(given)]
    ):
        draft.recorded[(event.bucket, event.brand_id), event.event_id] = _before(event)
    return draft


def _before(row: queries.RecordedUnderRow | queries.RecordedAsRow) -> Recorded:
    return Recorded(
        row.event_id,
        is_new=False,
        effect=parse_effect(row.effect),
        scope=Scope.parse(row.scope, row.topic),
        reason=parse_reason(row.reason),
        received_at=row.received_at,
        deadline_at=row.deadline_at,
    )


def hear(tx: Tx, draft: Draft, kind: ActKind, act: Act, on_aliases: Sequence[Act]) -> Recorded:
    """Say an act, and then what follows from it; of a late duplicate, nothing does."""
    for name in (act.idempotency_key, act.event_id):
        if name and (known := draft.recorded.get((act.place, name))):
            return replace(known, is_new=False)
    recorded = _say(tx, draft, kind, act)
    following = _following(draft, kind, act, on_aliases)
    if not following:
        return recorded
    proof = {"follows": str(recorded.event_id)}
    said = [_say(tx, draft, kind, replace(one, evidence=proof)) for one in following]
    lifted = dict.fromkeys(one.reason for one in said if one.effect == "lifted")
    return replace(recorded, also_lifted=tuple(lifted))


def _following(draft: Draft, kind: ActKind, act: Act, on_aliases: Sequence[Act]) -> list[Act]:
    """Return what follows from an act that has just been said, by what stands after it."""

    def stands(one: Act) -> bool:
        state = draft.states.get(_slot(one))
        return state is not None and state.active

    # An opt-out and a complaint put one suppression on an alias: it goes when both have gone.
    said = (replace(act, reason=reason) for reason in PERSONS_WORDS)
    is_silent = kind == "opt_in" and any(stands(one) for one in said)
    owners = [one for one in of_a_new_owner(kind, act) if stands(one)]
    return [*([] if is_silent else on_aliases), *owners]


def _slot(act: Act) -> Slot:
    recipient = act.recipient
    return (act.place, recipient.address_key, recipient.channel, act.scope, act.reason)


def _say(tx: Tx, draft: Draft, kind: ActKind, act: Act) -> Recorded:
    """Decide one act against everything read and said so far."""
    slot = _slot(act)
    standing = draft.states.get(slot)
    moments = _moments(tx, act, standing)
    basis = basis_of(act) if kind == "opt_out" else None
    due = basis.due(moments) if basis else None
    said = _said(tx, kind, act, moments, due)
    effect, state = decide(kind, standing, said, may_lift=may_lift(act.source, act.reason))
    said_again = kind == "opt_out" and effect == "none" and standing and standing.active
    first = standing if said_again else None
    if first is None or act.idempotency_key or state is not standing:
        deadline = reckonings.stored(tx, basis, due, moments) if basis and due else None
        entry = _entry(kind, act, effect, moments, said=said, deadline=deadline)
        draft.entries.append(entry)
    if state is not None and state is not standing:
        draft.states[slot] = state
        draft.changed[slot] = len(draft.entries) - 1
    recorded = _recorded(
        act,
        effect,
        first or said,
        is_new=first is None,
        stood_before=standing is not None and standing.active,
    )
    if act.idempotency_key:
        draft.recorded[act.place, act.idempotency_key] = recorded
    return recorded


def _recorded(
    act: Act, effect: Effect, state: State, *, is_new: bool, stood_before: bool
) -> Recorded:
    return Recorded(
        state.event_id,
        is_new=is_new,
        effect=effect,
        scope=act.scope,
        reason=act.reason,
        received_at=state.said_at,
        deadline_at=state.deadline_at,
        stood_before=stood_before,
    )


def _said(tx: Tx, kind: ActKind, act: Act, moments: honour.Moments, due: Due | None) -> State:
    """Return the state as this act alone would have it."""
    return State(
        scope=act.scope,
        reason=act.reason,
        active=kind == "opt_out",
        said_at=min(moments.sent_at or moments.received_at, moments.received_at),
        deadline_at=due.deadline_at if due else None,
        event_id=act.event_id or ledger.new_event_id(tx.now, act.recipient.bucket),
        unproven=is_unproven(act.source),
    )


def _moments(tx: Tx, act: Act, standing: State | None) -> honour.Moments:
    # What was said now was not said before what stands: the lock gave it the later place, though
    # its transaction may have begun, or its machine's clock may be, a little earlier.
    earliest = standing.said_at if standing else EARLIEST
    now = max(tx.now, earliest)
    arrived_at = max(act.arrived_at or now, earliest)
    # And nobody can have said anything later than now, whatever a clock elsewhere claims.
    received_at = _between(EARLIEST, act.received_at or arrived_at, now)
    sent_at = _between(EARLIEST, act.sent_at, received_at) if act.sent_at else None
    return honour.Moments(sent_at=sent_at, received_at=received_at, recorded_at=tx.now)


def _between(earliest: datetime, at: datetime, latest: datetime) -> datetime:
    return max(earliest, min(at, latest))


def basis_of(act: Act) -> Basis:
    """Return what the deadline of an opt-out is counted by."""
    recipient = act.recipient
    is_sharing = act.scope.kind == "third_party_sharing"
    return act.brand.bases.of(
        "third_party_sharing" if is_sharing else recipient.channel,
        recipient_domain=recipient.address.domain if recipient.address else None,
        country=act.country or recipient.country,
    )


def _entry(
    kind: ActKind,
    act: Act,
    effect: Effect,
    moments: honour.Moments,
    *,
    said: State,
    deadline: Json,
) -> Entry:
    return Entry(
        place=act.place,
        event_id=said.event_id,
        address_key=act.recipient.address_key,
        channel=act.recipient.channel,
        act=kind,
        scope=act.scope,
        reason=act.reason,
        effect=effect,
        source=act.source,
        sent_at=moments.sent_at,
        received_at=moments.received_at,
        deadline_at=said.deadline_at,
        deadline=deadline,
        evidence=storable(act.evidence),
        idempotency_key=act.idempotency_key,
    )
