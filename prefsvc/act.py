"""Acts: what somebody said, as a door understood it, and what else follows from it."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from prefsvc.address import channels_reaching, kind_of
from prefsvc.brands import AppliedBrand
from prefsvc.evidence import Evidence
from prefsvc.ledger import Place
from prefsvc.mail.answering import Letter
from prefsvc.recipients import Recipient
from prefsvc.suppression import PERSONS_WORDS, ActKind, Reason, Scope, may_lift
from prefsvc.vault import Vault


class Act(Struct, frozen=True):
    """What somebody said, as a door understood it.

    `sent_at` is when they said it, where that is known; `received_at` when it reached the company
    (by default: now, or `arrived_at`, when it came to our own door: writing it down may take long).
    `idempotency_key` names the request, so that a late duplicate is recognised
    even after an act of the other kind. `country` is where they are, as far as the door was told
    (ISO 3166); a phone number may say it, too. `event_id` is the id that it was given when it was
    kept in the spool; under it, it is recorded once. `letter` is the mail that said it, where that
    is to have a receipt (prefsvc/receipts.py).
    """

    brand: AppliedBrand
    recipient: Recipient
    scope: Scope
    source: str
    evidence: Evidence
    reason: Reason = "opt_out"
    sent_at: datetime | None = None
    received_at: datetime | None = None
    arrived_at: datetime | None = None
    idempotency_key: str | None = None
    country: str | None = None
    event_id: UUID | None = None
    letter: Letter | None = None

    @property
    def place(self) -> Place:
        """Return the bucket and brand whose head orders this act."""
        return (self.recipient.bucket, self.brand.brand_id)

    def followed_by(self, mark: str) -> str | None:
        """Return the idempotency key of an act that follows from this one.

        One request may be about several addresses, and a key is unique in its bucket alone.
        """
        key = self.idempotency_key
        return f"{key}:{self.recipient.bucket}:{mark}" if key else None


def places(brand: AppliedBrand, recipients: Iterable[Recipient]) -> set[Place]:
    """Return the heads that acts of a brand about these recipients are ordered by."""
    return {(one.bucket, brand.brand_id) for one in recipients}


def on_aliases(vault: Vault, kind: ActKind, act: Act) -> list[Act]:
    """Return what an act is for the other spellings of its number: acts of the reason `alias`.

    That reason is a register of its own beside what is said of the other spelling itself, so a
    person's opt-in takes back what their own word put there and nothing else: equivalence only ever
    suppresses more (DESIGN §5). An opt-in that lifts nothing puts nothing.
    """
    if act.reason not in PERSONS_WORDS:
        return []
    if kind == "opt_in" and not may_lift(act.source, "alias"):
        return []
    return [
        replace(
            act,
            recipient=other,
            event_id=None,
            reason="alias",
            idempotency_key=act.followed_by(f"alias:{number}"),
        )
        for number, other in enumerate(act.recipient.aliases(vault), start=1)
    ]


def of_a_new_owner(kind: ActKind, act: Act) -> list[Act]:
    """Return what a consent also says: that whoever has the number now gave it (S-33).

    They have it on every channel that reaches it. None where the act is no consent to be written
    to, or where it may be the last owner's.
    """
    is_consent = (kind, act.reason) == ("opt_in", "opt_out")
    if not is_consent or act.scope.kind == "third_party_sharing":
        return []
    if not may_lift(act.source, "reassigned"):
        return []
    return [
        replace(
            act,
            recipient=act.recipient.on(channel),
            event_id=None,
            scope=Scope.of("reassigned", act.scope),
            reason="reassigned",
            idempotency_key=act.followed_by(f"reassigned:{channel}"),
        )
        for channel in channels_reaching(kind_of(act.recipient.channel))
    ]
