"""What the spool keeps: whatever a door had understood when the database did not answer.

Each item is one line of JSON that says it all: a brand by its slug, an address as it was written.
Pure. What is read back is the same act, with the moment at which it was received here.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import msgspec

from prefsvc.act import Act
from prefsvc.address import Address, Channel
from prefsvc.brands import BrandBook
from prefsvc.evidence import storable
from prefsvc.intent import Decision
from prefsvc.recipients import Recipient
from prefsvc.reviews import Doubt
from prefsvc.suppression import Reason, Scope, ScopeKind
from prefsvc.text_order import Text
from prefsvc.texts import Word


class KeptScope(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is stopped."""

    kind: ScopeKind
    topic: str = ""

    @classmethod
    def of(cls, scope: Scope) -> "KeptScope":
        """Write a scope down."""
        return cls(scope.kind, scope.topic)

    def read(self) -> Scope:
        """Read it back."""
        return Scope(self.kind, self.topic)


class KeptRecipient(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom it is about: by address, or where that was erased by key alone."""

    channel: Channel
    address_key: bytes
    canonical: str | None = None
    as_written: str | None = None

    @classmethod
    def of(cls, recipient: Recipient) -> "KeptRecipient":
        """Write a recipient down."""
        address = recipient.address
        return cls(
            recipient.channel,
            recipient.address_key,
            address.canonical if address else None,
            address.as_written if address else None,
        )

    def read(self) -> Recipient:
        """Read it back."""
        address = None
        if self.canonical is not None:
            address = Address(self.channel, self.canonical, self.as_written or self.canonical)
        return Recipient(self.address_key, self.channel, address)


class KeptAct(msgspec.Struct, frozen=True, omit_defaults=True):
    """An opt-out."""

    brand: str
    recipient: KeptRecipient
    scope: KeptScope
    source: str
    evidence: dict[str, Any]
    received_at: datetime
    reason: Reason = "opt_out"
    sent_at: datetime | None = None
    idempotency_key: str | None = None
    country: str | None = None
    event_id: UUID | None = None

    @classmethod
    def of(cls, act: Act, now: datetime) -> "KeptAct":
        """Write an act down; it was received now, unless it says when."""
        return cls(
            act.brand.slug,
            KeptRecipient.of(act.recipient),
            KeptScope.of(act.scope),
            act.source,
            storable(act.evidence),
            act.received_at or now,
            act.reason,
            act.sent_at,
            act.idempotency_key,
            act.country,
            act.event_id,
        )

    def read(self, book: BrandBook) -> Act:
        """Read it back."""
        return Act(
            book.get(self.brand),
            self.recipient.read(),
            self.scope.read(),
            self.source,
            self.evidence,
            reason=self.reason,
            sent_at=self.sent_at,
            received_at=self.received_at,
            idempotency_key=self.idempotency_key,
            country=self.country,
            event_id=self.event_id,
        )


class OptedOut(msgspec.Struct, frozen=True, tag="opted_out"):
    """Opt-outs that were said together."""

    acts: tuple[KeptAct, ...]

    @classmethod
    def of(cls, acts: Sequence[Act], now: datetime) -> "OptedOut":
        """Write acts down that were received now."""
        return cls(tuple(KeptAct.of(act, now) for act in acts))

    def read(self, book: BrandBook) -> list[Act]:
        """Read them back."""
        return [act.read(book) for act in self.acts]


class Pressed(msgspec.Struct, frozen=True, tag="pressed", omit_defaults=True):
    """A press of a short link, of which only the register knows what it stands for.

    Without a `scope` it stops what the link says. A mail to the link's address presses it, too, or
    a report about a message that has the link: `mail` is its identity, by which it is known again.
    """

    brand: str
    link_id: bytes
    source: str
    evidence: dict[str, Any]
    received_at: datetime
    event_id: UUID
    scope: KeptScope | None = None
    reason: Reason = "opt_out"
    mail: str | None = None


class Texted(msgspec.Struct, frozen=True, tag="texted"):
    """A STOP by text."""

    act: KeptAct
    provider: str
    message_id: str
    account: str | None
    sent_at: datetime | None

    @classmethod
    def of(cls, word: Word, now: datetime) -> "Texted":
        """Write a STOP down that was received now."""
        text = word.text
        act = KeptAct.of(word.act, now)
        return cls(act, text.provider, text.message_id, text.account, text.sent_at)

    def read(self, book: BrandBook) -> Word:
        """Read it back."""
        text = Text(self.provider, self.message_id, self.account, self.sent_at)
        return Word("opt_out", self.act.read(book), text)


class Doubted(msgspec.Struct, frozen=True, tag="doubted"):
    """A reply that may mean stop."""

    brand: str
    recipient: KeptRecipient
    message_id: str
    reading: dict[str, str | None]
    evidence: dict[str, Any]
    scope: KeptScope
    received_at: datetime
    is_hearsay: bool = False

    @classmethod
    def of(cls, doubt: Doubt, now: datetime) -> "Doubted":
        """Write a doubt down that came up now."""
        return cls(
            doubt.brand.slug,
            KeptRecipient.of(doubt.recipient),
            doubt.message_id,
            asdict(doubt.reading),
            storable(doubt.evidence),
            KeptScope.of(doubt.scope),
            doubt.received_at or now,
            doubt.is_hearsay,
        )

    def read(self, book: BrandBook) -> Doubt:
        """Read it back."""
        doubt = Doubt(
            book.get(self.brand),
            self.recipient.read(),
            self.message_id,
            msgspec.convert(self.reading, Decision),
            self.evidence,
            self.scope.read(),
        )
        return replace(doubt, received_at=self.received_at, is_hearsay=self.is_hearsay)


Item: TypeAlias = OptedOut | Pressed | Texted | Doubted

_decoder: msgspec.json.Decoder[Item] = msgspec.json.Decoder(Item)


def encode(item: Item) -> bytes:
    """Write an item as the spool keeps it."""
    return msgspec.json.encode(item)


def decode(content: bytes) -> Item:
    """Read an item; raise msgspec.DecodeError where it is none."""
    return _decoder.decode(content)
