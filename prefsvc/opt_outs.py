"""Recording what people say: the one write path, for every door.

A transaction locks the heads of the places it writes to, first and in order (prefsvc/ledger.py).
Under that lock it reads how things stand, decides (prefsvc/draft.py), appends to the ledger and
sets the state. So whatever two transactions do at once, one comes wholly before the other. However
many acts there are, it asks the database the same few times.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain, islice

from msgspec.structs import replace

from prefsvc import draft, honour, ledger, reach
from prefsvc.act import Act, on_aliases, places
from prefsvc.brands import AppliedBrand
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.draft import EARLIEST, Draft, Slot
from prefsvc.recipients import Recipient, store_addresses
from prefsvc.recorded import Recorded
from prefsvc.suppression import ActKind, State
from prefsvc.vault import Vault

__all__ = [
    "EARLIEST", "Act", "Recorded", "deadline_at", "lock", "record", "record_here", "withdraw"
]  # fmt: skip


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


def deadline_at(act: Act, said_at: datetime) -> datetime:
    """Return by when every sender must have heard an opt-out that is received at this moment."""
    moments = honour.Moments(received_at=said_at, recorded_at=said_at)
    return draft.basis_of(act).due(moments).deadline_at


async def _write(tx: Tx, vault: Vault, kind: ActKind, given: Sequence[Act]) -> list[Recorded]:
    elsewhere = [on_aliases(vault, kind, act) for act in given]
    acts = [*given, *chain.from_iterable(elsewhere)]
    counts = Counter(act.place for act in acts)
    reserved = await ledger.reserve(tx, counts)
    said = await draft.read(tx, acts)
    recorded = [
        draft.hear(tx, said, kind, act, others)
        for act, others in zip(given, elsewhere, strict=True)
    ]
    positions = await ledger.append(tx, vault, said.entries, counts, reserved)
    await _store(tx, said, positions, acts)
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
    if not elsewhere:
        return here
    return replace(here, stood_before=any(one.stood_before for one in (here, *elsewhere)))


def _elsewhere(kind: ActKind, act: Act) -> list[Act]:
    """Return the act as it is recorded on the further channels that it reaches."""
    said_on = act.recipient.channel
    said = reach.Said(kind, said_on, act.scope.kind, act.reason, act.source)
    return [
        replace(
            act,
            recipient=act.recipient.on(channel),
            event_id=None,
            evidence={"said_on": said_on} | act.evidence,
            idempotency_key=act.idempotency_key and f"{act.idempotency_key}:{channel}",
        )
        for channel in reach.further_channels(said, act.brand.brand.channels)
    ]


async def _store(tx: Tx, said: Draft, positions: Sequence[int], acts: Iterable[Act]) -> None:
    spoken_of = {entry.address_key for entry in said.entries}
    addresses: dict[bytes, Recipient] = {}
    for act in acts:  # as the person wrote it, rather than as we derived it
        if act.recipient.can_be_stored and act.recipient.address_key in spoken_of:
            addresses.setdefault(act.recipient.address_key, act.recipient)
    await store_addresses(tx, addresses.values())
    await queries.set_states(
        tx.conn,
        rows=[
            _set_state(slot, said.states[slot], positions[number])
            for slot, number in sorted(said.changed.items())
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
        unproven=state.unproven,
    )
