"""Recording what people say: the one write path, for every door.

A transaction locks the heads of the places it writes to, first and in order (prefsvc/ledger.py).
Under that lock it reads how things stand, decides (prefsvc/suppression.py), appends to the ledger
and sets the state. So whatever two transactions do at once, one comes wholly before the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain, islice
from uuid import UUID

from prefsvc import honour, ledger, reach
from prefsvc.act import Act, of_a_new_owner, on_aliases, places
from prefsvc.address import Channel, parse_channel
from prefsvc.brands import AppliedBrand
from prefsvc.db import queries
from prefsvc.db.connection import Json, Tx
from prefsvc.evidence import storable
from prefsvc.ledger import Entry, Place
from prefsvc.recipients import Recipient, store_addresses
from prefsvc.suppression import (
    PERSONS_WORDS,
    ActKind,
    Effect,
    Reason,
    Scope,
    State,
    decide,
    may_lift,
    parse_effect,
    parse_reason,
)
from prefsvc.vault import Vault

__all__ = [
    "EARLIEST", "Act", "Recorded", "deadline_of", "lock", "record", "record_here", "withdraw"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of an act.

    Where the same had been said before, `is_new` is false and the rest is the first one's.
    `stood_before` says that the same was suppressed already, here or on a further channel that the
    act reaches. `also_lifted` has the reasons of further suppressions that an opt-in lifted.
    """

    event_id: UUID
    is_new: bool
    effect: Effect
    scope: Scope
    reason: Reason
    received_at: datetime
    deadline_at: datetime | None
    stood_before: bool = False
    also_lifted: tuple[Reason, ...] = ()


async def record(tx: Tx, vault: Vault, acts: Sequence[Act]) -> list[Recorded]:
    """Record opt-outs; each suppresses at once. Saying it again keeps the first deadline.

    What is said about more than a channel is recorded on each that reaches the address
    (prefsvc/reach.py), and what a person said of a phone number for its other spellings
    (prefsvc/act.py); what is returned is one for each act that was given.
    """
    return await _write_everywhere(tx, vault, "opt_out", acts)


async def record_here(tx: Tx, vault: Vault, acts: Sequence[Act]) -> list[Recorded]:
    """Record opt-outs on their own channels alone, because on others they stand already."""
    return await _write(tx, vault, "opt_out", acts)


async def withdraw(tx: Tx, vault: Vault, acts: Sequence[Act]) -> list[Recorded]:
    """Record opt-ins.

    One lifts the suppression of exactly its scope and reason, and only if it is the person's own
    later word (suppression.may_lift); otherwise it is recorded and lifts nothing. It reaches the
    channels that an opt-out of its scope does, and lifts what that put on other spellings of the
    number. A consent also says that the number is its new owner's.
    """
    return await _write_everywhere(tx, vault, "opt_in", acts)


async def lock(tx: Tx, vault: Vault, brand: AppliedBrand, recipient: Recipient) -> None:
    """Lock all that an act about this recipient is ordered by, for a rule that must look first.

    Locking less, and recording later, could wait for somebody who waits for us.
    """
    await ledger.lock(tx, places(brand, [recipient, *recipient.aliases(vault)]))


EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""A moment before this is a fault of some clock; near the year 1 no deadline can be counted."""

Slot = tuple[Place, bytes, Channel, Scope, Reason]


@dataclass(slots=True)
class _Draft:
    """What a transaction has read, and is about to write."""

    states: dict[Slot, State] = field(default_factory=dict)
    recorded: dict[tuple[Place, str], Recorded] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    changed: dict[Slot, int] = field(default_factory=dict)
    """For each slot that changes, the number of the entry that changes it last."""


async def _write(tx: Tx, vault: Vault, kind: ActKind, given: Sequence[Act]) -> list[Recorded]:
    elsewhere = [on_aliases(vault, kind, act) for act in given]
    acts = [*given, *chain.from_iterable(elsewhere)]
    written_to = sorted({act.place for act in acts})
    await ledger.lock(tx, written_to)
    draft = _Draft()
    for place in written_to:
        await _read(tx, draft, place, [act for act in acts if act.place == place])
    recorded = [
        _hear(tx, draft, kind, act, others) for act, others in zip(given, elsewhere, strict=True)
    ]
    if draft.entries:
        await _store(tx, vault, draft, acts)
    return recorded


async def _write_everywhere(
    tx: Tx, vault: Vault, kind: ActKind, given: Sequence[Act]
) -> list[Recorded]:
    """Write these acts and, after them, the same on the further channels that they reach.

    Those given come first: what is said of both channels at once is then new on both.
    """
    elsewhere = [_elsewhere(kind, act) for act in given]
    made = await _write(tx, vault, kind, [*given, *chain.from_iterable(elsewhere)])
    further = iter(made[len(given) :])
    return [
        _together(one, list(islice(further, count)))
        for one, count in zip(made, map(len, elsewhere), strict=False)
    ]


def _together(here: Recorded, elsewhere: Sequence[Recorded]) -> Recorded:
    """Return what came of an act, with whether it stood on a further channel that it reaches."""
    return replace(here, stood_before=any(one.stood_before for one in (here, *elsewhere)))


def _elsewhere(kind: ActKind, act: Act) -> list[Act]:
    """Return the act as it is recorded on the further channels that it reaches."""
    said_on = act.recipient.channel
    said = reach.Said(kind, said_on, act.scope.kind, act.reason, act.source)
    return [
        replace(
            act,
            recipient=act.recipient.on(channel),
            evidence={"said_on": said_on} | act.evidence,
            idempotency_key=act.idempotency_key and f"{act.idempotency_key}:{channel}",
        )
        for channel in reach.further_channels(said, act.brand.brand.channels)
    ]


async def _read(tx: Tx, draft: _Draft, place: Place, acts: Sequence[Act]) -> None:
    bucket, brand_id = place
    keys = sorted({act.recipient.address_key for act in acts})
    for row in await queries.states(tx.conn, bucket=bucket, brand_id=brand_id, address_keys=keys):
        state = State(
            Scope.parse(row.scope, row.topic),
            parse_reason(row.reason),
            row.active,
            row.said_at,
            row.deadline_at,
            row.event_id,
        )
        channel = parse_channel(row.channel)
        draft.states[place, row.address_key, channel, state.scope, state.reason] = state
    requests = sorted({act.idempotency_key for act in acts if act.idempotency_key})
    if not requests:
        return
    for known in await queries.recorded_before(
        tx.conn, bucket=bucket, brand_id=brand_id, idempotency_keys=requests
    ):
        draft.recorded[place, known.idempotency_key] = Recorded(
            known.event_id,
            is_new=False,
            effect=parse_effect(known.effect),
            scope=Scope.parse(known.scope, known.topic),
            reason=parse_reason(known.reason),
            received_at=known.received_at,
            deadline_at=known.deadline_at,
        )


def _hear(tx: Tx, draft: _Draft, kind: ActKind, act: Act, on_aliases: Sequence[Act]) -> Recorded:
    """Say an act, and then what follows from it; of a late duplicate, nothing does."""
    if act.idempotency_key and (known := draft.recorded.get((act.place, act.idempotency_key))):
        return replace(known, is_new=False)
    recorded = _say(tx, draft, kind, act)
    proof = {"follows": str(recorded.event_id)}
    following = [
        _say(tx, draft, kind, replace(one, evidence=proof))
        for one in _following(draft, kind, act, on_aliases)
    ]
    lifted = dict.fromkeys(one.reason for one in following if one.effect == "lifted")
    return replace(recorded, also_lifted=tuple(lifted))


def _following(draft: _Draft, kind: ActKind, act: Act, on_aliases: Sequence[Act]) -> list[Act]:
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


def _say(tx: Tx, draft: _Draft, kind: ActKind, act: Act) -> Recorded:
    """Decide one act against everything read and said so far."""
    slot = _slot(act)
    standing = draft.states.get(slot)
    moments = _moments(tx, act, standing)
    said, explained = _said(tx, kind, act, moments)
    effect, state = decide(kind, standing, said, may_lift=may_lift(act.source, act.reason))
    said_again = kind == "opt_out" and effect == "none" and standing and standing.active
    first = standing if said_again else None
    if first is None or act.idempotency_key or state is not standing:
        draft.entries.append(_entry(kind, act, effect, moments, said=said, explained=explained))
    if state is not None and state is not standing:
        draft.states[slot] = state
        draft.changed[slot] = len(draft.entries) - 1
    recorded = replace(
        _recorded(act, effect, first or said),
        is_new=first is None,
        stood_before=standing is not None and standing.active,
    )
    if act.idempotency_key:
        draft.recorded[act.place, act.idempotency_key] = recorded
    return recorded


def _recorded(act: Act, effect: Effect, state: State) -> Recorded:
    return Recorded(
        state.event_id,
        is_new=True,
        effect=effect,
        scope=act.scope,
        reason=act.reason,
        received_at=state.said_at,
        deadline_at=state.deadline_at,
    )


def _said(tx: Tx, kind: ActKind, act: Act, moments: honour.Moments) -> tuple[State, Json]:
    """Return the state as this act alone would have it, and how its deadline was counted."""
    deadline = deadline_of(act, moments) if kind == "opt_out" else None
    state = State(
        scope=act.scope,
        reason=act.reason,
        active=kind == "opt_out",
        said_at=min(moments.sent_at or moments.received_at, moments.received_at),
        deadline_at=deadline.conservative_at if deadline else None,
        event_id=ledger.new_event_id(tx.now, act.recipient.bucket),
    )
    return state, deadline.to_document() if deadline else None


def _moments(tx: Tx, act: Act, standing: State | None) -> honour.Moments:
    # What was said now was not said before what stands: the lock gave it the later place, though
    # its transaction may have begun, or its machine's clock may be, a little earlier.
    now = max(tx.now, standing.said_at) if standing else tx.now
    # And nobody can have said anything later than now, whatever a clock elsewhere claims.
    received_at = _between(EARLIEST, act.received_at or now, now)
    sent_at = _between(EARLIEST, act.sent_at, received_at) if act.sent_at else None
    return honour.Moments(sent_at=sent_at, received_at=received_at, recorded_at=tx.now)


def _between(earliest: datetime, at: datetime, latest: datetime) -> datetime:
    return max(earliest, min(at, latest))


def deadline_of(act: Act, moments: honour.Moments) -> honour.Deadline:
    """Return by when every sender must have heard: the earliest of the rules and the promise."""
    brand, recipient = act.brand.brand, act.recipient
    about = act.scope.kind if act.scope.kind == "third_party_sharing" else recipient.channel
    return honour.deadline(
        honour.rules_of(brand.rules),
        brand.promise(about),
        moments,
        channel=about,
        recipient_domain=recipient.address.domain if recipient.address else None,
        country=act.country or recipient.country,
        time_zone=brand.time_zone,
    )


def _entry(
    kind: ActKind,
    act: Act,
    effect: Effect,
    moments: honour.Moments,
    *,
    said: State,
    explained: Json,
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
        deadline=explained,
        evidence=storable(act.evidence),
        idempotency_key=act.idempotency_key,
    )


async def _store(tx: Tx, vault: Vault, draft: _Draft, acts: Sequence[Act]) -> None:
    positions = await ledger.append(tx, vault, draft.entries)
    spoken_of = {entry.address_key for entry in draft.entries}
    addresses = {
        act.recipient.address_key: act.recipient
        for act in reversed(acts)  # as the person wrote it, rather than as we derived it
        if act.recipient.address and act.recipient.address_key in spoken_of
    }
    await store_addresses(tx, addresses.values())
    await queries.set_states(
        tx.conn,
        rows=[
            _set_state(slot, draft.states[slot], positions[number])
            for slot, number in sorted(draft.changed.items(), key=lambda item: item[0])
        ],
    )


def _set_state(slot: Slot, state: State, position: int) -> queries.SetStatesIn:
    (bucket, brand_id), key, channel, scope, reason = slot
    return queries.SetStatesIn(
        bucket=bucket,
        brand_id=brand_id,
        address_key=key,
        channel=channel,
        scope=scope.kind,
        topic=scope.topic,
        reason=reason,
        active=state.active,
        said_at=state.said_at,
        deadline_at=state.deadline_at,
        event_id=state.event_id,
        position=position,
    )
