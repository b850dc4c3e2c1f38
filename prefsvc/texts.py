"""STOP and START by text: which one counts where they crossed on their way (RULES S-20).

Providers hand texts over in any order and more than once. A START that was sent before a STOP and
is handed over after it would lift what the person said last. So where one comes soon after the
other, the moments decide at which the provider says that they were sent; of the same moment, and
where these are not known, the STOP counts. `hear` says which moments it lacks; once they were asked
for, outside any transaction, `settle` decides. Both look under the lock of the place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from prefsvc import ledger, opt_outs, text_order
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.opt_outs import Act, Recorded
from prefsvc.suppression import UNORDERED_START, ActKind, Effect
from prefsvc.text_order import Crossed, Moments, Order, Text
from prefsvc.vault import Vault

SOURCE: Final = "sms_reply"
CONFIRMATION_AGE: Final = timedelta(minutes=5)
"""A confirmation that is later than this needs a reason; we have none, and are silent (S-15)."""

_A_MOMENT: Final = timedelta(microseconds=1)
_HAND_OVER_MAX: Final = timedelta(days=1)
"""No provider tries for longer, and a moment that is years ago must not have us read for years."""

Answer = Literal["stop", "start", "start_again"]
"""What a person is told; "start_again": the START lifted nothing, as it may have crossed a STOP."""


class Word(Struct, frozen=True):
    """STOP (an opt-out) or START (an opt-in), as somebody texted it."""

    kind: ActKind
    act: Act
    text: Text

    def key(self, kind: ActKind) -> str:
        """Name the act of this kind that the message may be.

        Each message is one act of each kind, so a STOP counts whatever else had come under its id.
        The person is part of the name, too: nobody's STOP is taken for another's.
        """
        whose = self.act.recipient.address_key.hex()
        return f"{self.text.provider}:{self.text.message_id}:{whose}:{kind}"


@dataclass(frozen=True, slots=True)
class Undecided:
    """What the answer depends on: when these were sent."""

    texts: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of it, and what the person is to be told; a message heard before has no act."""

    kind: ActKind
    answer: Answer | None
    act: Act | None = None
    recorded: Recorded | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """How things stand, under the lock: the register, the same message heard before, and others."""

    standing: queries.StatesRow | None
    before: queries.RecordedBeforeRow | None
    crossed: Sequence[Crossed]


async def hear(tx: Tx, vault: Vault, word: Word, *, within: timedelta) -> Heard | Undecided:
    """Record a STOP or START by text, or say which moments must be known first.

    `within` is how far apart two texts may be received that crossed on their way.
    """
    found = await _look(tx, vault, word, within)
    texts = text_order.lacking(word.text, found.crossed)
    return Undecided(texts) if texts else await _decide(tx, vault, word, found, {})


async def settle(tx: Tx, vault: Vault, word: Word, moments: Moments, *, within: timedelta) -> Heard:
    """Record it with the moments that the provider told; what still is unknown stays so."""
    found = await _look(tx, vault, word, within)
    return await _decide(tx, vault, word, found, moments)


def kept_stop(word: Word) -> Act:
    """Return a STOP that was kept as the act that it is by itself.

    Nobody can be asked any more when texts were sent that it crossed: of those the moments at which
    they were received decide, and STOP of the same moment.
    """
    act, sent_at = word.act, word.text.sent_at
    if sent_at and act.received_at and act.received_at - sent_at > _HAND_OVER_MAX:
        sent_at = None  # of a STOP that would be days old, when it came is what counts
    known = {"sent_at": sent_at.isoformat()} if sent_at else {}
    return replace(
        act,
        sent_at=sent_at,
        idempotency_key=word.key("opt_out"),
        evidence=act.evidence | known,
    )


async def _look(tx: Tx, vault: Vault, word: Word, within: timedelta) -> _Found:
    await opt_outs.lock(tx, vault, word.act.brand, word.act.recipient)
    standing = await _standing(tx, word.act)
    before = await _recorded_before(tx, word)
    # Otherwise order makes no difference: a START lifts what is active, a STOP sets what is not.
    may_cross = before is None and standing and standing.active == (word.kind == "opt_in")
    return _Found(standing, before, await _crossed(tx, word, within) if may_cross else [])


async def _decide(tx: Tx, vault: Vault, word: Word, found: _Found, moments: Moments) -> Heard:
    standing = found.standing
    if found.before:
        return Heard(word.kind, _answer_again(tx, word, found.before, standing))
    sent_at = word.text.moment(moments)
    order = text_order.order(word.kind, word.text, found.crossed, moments)
    act = _placed(tx, word, order, sent_at, standing)
    write = opt_outs.record if word.kind == "opt_out" else opt_outs.withdraw
    [recorded] = await write(tx, vault, [act])
    was_active = standing is not None and standing.active
    is_active = recorded.effect == "added" or (was_active and recorded.effect != "lifted")
    # Somebody who is stopped already was told so then (S-15).
    effect = "none" if word.kind == "opt_out" and was_active else recorded.effect
    answer = _answer(word.kind, act.source, effect, is_active=is_active)
    return Heard(word.kind, answer if _is_fresh(tx, sent_at) else None, act, recorded)


async def _standing(tx: Tx, act: Act) -> queries.StatesRow | None:
    """Return how the address stands in what the act is about, lifted or not."""
    bucket, brand_id = act.place
    rows = await queries.states(
        tx.conn, bucket=bucket, brand_id=brand_id, address_keys=[act.recipient.address_key]
    )
    slot = (act.recipient.channel, act.scope.kind, act.scope.topic, act.reason)
    found = (row for row in rows if (row.channel, row.scope, row.topic, row.reason) == slot)
    return next(found, None)


async def _recorded_before(tx: Tx, word: Word) -> queries.RecordedBeforeRow | None:
    """Return what this message was recorded as; a START never counts that was a STOP."""
    bucket, brand_id = word.act.place
    keys = [word.key("opt_out"), word.key(word.kind)]
    rows = await queries.recorded_before(
        tx.conn, bucket=bucket, brand_id=brand_id, idempotency_keys=sorted(set(keys))
    )
    by_key = {row.idempotency_key: row for row in rows if row.idempotency_key in keys}
    return next((by_key[key] for key in keys if key in by_key), None)


async def _crossed(tx: Tx, word: Word, within: timedelta) -> list[Crossed]:
    """Return acts of the other kind since then, if one of them came by text."""
    act, since = word.act, _since(tx, word, within)
    bucket, brand_id = act.place
    other: ActKind = "opt_in" if word.kind == "opt_out" else "opt_out"
    rows = await queries.recent_acts(
        tx.conn,
        bucket=bucket,
        brand_id=brand_id,
        since=ledger.earliest_event_id(since),
        address_key=act.recipient.address_key,
        channel=act.recipient.channel,
        act=other,
        scope=act.scope.kind,
        topic=act.scope.topic,
        reason=act.reason,
    )
    recent = [row for row in rows if row.received_at >= since]
    is_by_text = any(row.source == SOURCE for row in recent)
    return [_crossed_by(row) for row in recent if is_by_text and _counts(word, row)]


def _since(tx: Tx, word: Word, within: timedelta) -> datetime:
    """Return since when what was received may have crossed it, however late it is handed over."""
    sent_at = word.text.sent_at or tx.now
    return min(tx.now - within, max(sent_at, tx.now - _HAND_OVER_MAX))


def _counts(word: Word, row: queries.RecentActsRow) -> bool:
    # A STOP is held up by no START but a text's. A START must be later than every stop there is.
    return word.kind == "opt_in" or row.source == SOURCE


def _crossed_by(row: queries.RecentActsRow) -> Crossed:
    if row.source != SOURCE:
        return Crossed(None, row.sent_at or row.received_at)
    return Crossed(Text.of_evidence(row.evidence or {}))


def _placed(
    tx: Tx, word: Word, order: Order, sent_at: datetime | None, standing: queries.StatesRow | None
) -> Act:
    """Return the act, said at a moment that has the register find what the order says."""
    known = {"sent_at": sent_at.isoformat()} if sent_at else {}
    act = replace(word.act, idempotency_key=word.key(word.kind), evidence=word.act.evidence | known)
    if order == "alone" or standing is None:
        return replace(act, sent_at=_believed(tx, word))
    if order == "earlier" and sent_at:
        # The provider's clock may be ahead of ours; what it saw earlier was earlier.
        return replace(act, sent_at=min(sent_at, standing.said_at - _A_MOMENT))
    if order == "unknown" and word.kind == "opt_in":
        return replace(act, source=UNORDERED_START)
    # Said when it was received: the other was, too, though it was sent before.
    return replace(act, sent_at=None)


def _believed(tx: Tx, word: Word) -> datetime | None:
    """Return when it was sent; of a STOP that would be days old, when it came is what counts."""
    sent_at = word.text.sent_at
    is_old = sent_at is not None and tx.now - sent_at > _HAND_OVER_MAX
    return None if is_old and word.kind == "opt_out" else sent_at


def _answer(kind: ActKind, source: str, effect: Effect | str, *, is_active: bool) -> Answer | None:
    """Return what is true to say: one confirmation for each opt-out (S-15)."""
    if kind == "opt_out":
        return "stop" if is_active and effect == "added" else None
    if is_active:
        return "start_again" if source == UNORDERED_START else None
    return "start"


def _answer_again(
    tx: Tx, word: Word, before: queries.RecordedBeforeRow, standing: queries.StatesRow | None
) -> Answer | None:
    """Return the same answer to the same message, while that is true and not late."""
    if before.act != word.kind or not _is_fresh(tx, before.received_at, word.text.sent_at):
        return None
    is_active = standing is not None and standing.active
    return _answer(word.kind, before.source, before.effect, is_active=is_active)


def _is_fresh(tx: Tx, *moments: datetime | None) -> bool:
    return all(at is None or tx.now - at <= CONFIRMATION_AGE for at in moments)
