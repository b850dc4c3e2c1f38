"""STOP and START by text: which one counts where they crossed on their way (RULES S-20).

Providers hand texts over in any order and more than once. A START that was sent before a STOP and
is handed over after it would lift what the person said last. So where one comes soon after the
other, the moments decide at which the provider says that they were sent; of the same moment, and
where these are not known, the STOP counts. `hear` says which moments it lacks; once they were asked
for, outside any transaction, `settle` decides. Both look under the lock of the place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from prefsvc import ledger, opt_outs
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.evidence import Evidence
from prefsvc.opt_outs import Act, Recorded
from prefsvc.suppression import UNORDERED_START, ActKind, Effect
from prefsvc.vault import Vault

SOURCE: Final = "sms_reply"
CONFIRMATION_AGE: Final = timedelta(minutes=5)
"""A confirmation that is later than this needs a reason; we have none, and are silent (S-15)."""

_A_MOMENT: Final = timedelta(microseconds=1)
_HAND_OVER_MAX: Final = timedelta(days=1)
"""No provider tries for longer, and a moment that is years ago must not have us read for years."""

Answer = Literal["stop", "start", "start_again"]
"""What a person is told; "start_again": the START lifted nothing, as it may have crossed a STOP."""


@dataclass(frozen=True, slots=True)
class Text:
    """Which text message it was, and when the provider says it was sent, if that is known."""

    provider: str
    message_id: str
    account: str | None = None
    sent_at: datetime | None = None


Moments: TypeAlias = Mapping[Text, datetime]


@dataclass(frozen=True, slots=True)
class Word:
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


_Order = Literal["alone", "later", "earlier", "unknown"]


@dataclass(frozen=True, slots=True)
class _Crossed:
    """An act of the other kind: the text it came by, if it did, and when it was said, if known."""

    text: Text | None
    said_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Found:
    """How things stand, under the lock: the register, the same message heard before, and others."""

    standing: queries.StatesRow | None
    before: queries.RecordedBeforeRow | None
    crossed: Sequence[_Crossed]


async def hear(tx: Tx, vault: Vault, word: Word, *, within: timedelta) -> Heard | Undecided:
    """Record a STOP or START by text, or say which moments must be known first.

    `within` is how far apart two texts may be received that crossed on their way.
    """
    found = await _look(tx, word, within)
    lacking = _lacking(word, found.crossed)
    return Undecided(lacking) if lacking else await _decide(tx, vault, word, found, {})


async def settle(tx: Tx, vault: Vault, word: Word, moments: Moments, *, within: timedelta) -> Heard:
    """Record it with the moments that the provider told; what still is unknown stays so."""
    return await _decide(tx, vault, word, await _look(tx, word, within), moments)


async def _look(tx: Tx, word: Word, within: timedelta) -> _Found:
    await ledger.lock(tx, [word.act.place])
    standing = await _standing(tx, word.act)
    before = await _recorded_before(tx, word)
    # Otherwise order makes no difference: a START lifts what is active, a STOP sets what is not.
    may_cross = before is None and standing and standing.active == (word.kind == "opt_in")
    return _Found(standing, before, await _crossed(tx, word, within) if may_cross else [])


async def _decide(tx: Tx, vault: Vault, word: Word, found: _Found, moments: Moments) -> Heard:
    standing = found.standing
    if found.before:
        return Heard(word.kind, _answer_again(tx, word, found.before, standing))
    sent_at = _sent_at(word.text, moments)
    act = _placed(word, _order(word, found.crossed, moments), sent_at, standing)
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
    slot = (act.scope.kind, act.scope.topic, act.reason)
    return next((row for row in rows if (row.scope, row.topic, row.reason) == slot), None)


async def _recorded_before(tx: Tx, word: Word) -> queries.RecordedBeforeRow | None:
    """Return what this message was recorded as; a START never counts that was a STOP."""
    bucket, brand_id = word.act.place
    keys = [word.key("opt_out"), word.key(word.kind)]
    rows = await queries.recorded_before(
        tx.conn, bucket=bucket, brand_id=brand_id, idempotency_keys=sorted(set(keys))
    )
    by_key = {row.idempotency_key: row for row in rows if row.idempotency_key in keys}
    return next((by_key[key] for key in keys if key in by_key), None)


async def _crossed(tx: Tx, word: Word, within: timedelta) -> list[_Crossed]:
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
        act=other,
        scope=act.scope.kind,
        topic=act.scope.topic,
        reason=act.reason,
    )
    recent = [row for row in rows if row.received_at >= since]
    is_by_text = any(row.source == SOURCE for row in recent)
    return [_crossed_by(row) for row in recent if is_by_text and _counts(word, row)]


def _since(tx: Tx, word: Word, within: timedelta) -> datetime:
    """Return since when what was received may have crossed it."""
    since = tx.now - within
    if word.kind == "opt_in" and word.text.sent_at:
        # However late it is handed over, it must be later than every stop since it was sent.
        since = min(since, max(word.text.sent_at, tx.now - _HAND_OVER_MAX))
    return since


def _counts(word: Word, row: queries.RecentActsRow) -> bool:
    # A STOP is held up by no START but a text's. A START must be later than every stop there is.
    return word.kind == "opt_in" or row.source == SOURCE


def _crossed_by(row: queries.RecentActsRow) -> _Crossed:
    if row.source != SOURCE:
        return _Crossed(None, row.sent_at or row.received_at)
    text = _text_of(row.evidence) if row.evidence else None
    return _Crossed(text, text.sent_at if text else None)


def _text_of(evidence: Evidence) -> Text | None:
    sent_at = evidence.get("sent_at")
    if "provider" not in evidence or "message_id" not in evidence:
        return None
    return Text(
        evidence["provider"],
        evidence["message_id"],
        evidence.get("account"),
        datetime.fromisoformat(sent_at) if sent_at else None,
    )


def _lacking(word: Word, crossed: Sequence[_Crossed]) -> tuple[Text, ...]:
    texts = [word.text, *(one.text for one in crossed if one.text)] if crossed else []
    return tuple(dict.fromkeys(text for text in texts if text.sent_at is None))


def _sent_at(text: Text, moments: Moments) -> datetime | None:
    return text.sent_at or moments.get(text)


def _order(word: Word, crossed: Sequence[_Crossed], moments: Moments) -> _Order:
    """Say whether it was sent before what it crossed, or after all of it."""
    if not crossed:
        return "alone"
    sent_at = _sent_at(word.text, moments)
    said = [one.said_at or (_sent_at(one.text, moments) if one.text else None) for one in crossed]
    if sent_at is None:
        return "unknown"
    if any(at and _is_overtaken(word.kind, sent_at, at) for at in said):
        return "earlier"
    return "later" if all(said) else "unknown"


def _is_overtaken(kind: ActKind, sent_at: datetime, other_at: datetime) -> bool:
    # Stop wins a tie (S-20); Twilio tells whole seconds.
    return sent_at < other_at or (kind == "opt_in" and sent_at == other_at)


def _placed(
    word: Word, order: _Order, sent_at: datetime | None, standing: queries.StatesRow | None
) -> Act:
    """Return the act, said at a moment that has the register find what the order says."""
    known = {"sent_at": sent_at.isoformat()} if sent_at else {}
    act = replace(word.act, idempotency_key=word.key(word.kind), evidence=word.act.evidence | known)
    if order == "alone" or standing is None:
        return replace(act, sent_at=word.text.sent_at)
    if order == "earlier" and sent_at:
        # The provider's clock may be ahead of ours; what it saw earlier was earlier.
        return replace(act, sent_at=min(sent_at, standing.said_at - _A_MOMENT))
    if order == "unknown" and word.kind == "opt_in":
        return replace(act, source=UNORDERED_START)
    # Said when it was received: the other was, too, though it was sent before.
    return replace(act, sent_at=None)


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
