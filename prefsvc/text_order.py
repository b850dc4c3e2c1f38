"""Which of texts that may have crossed on their way was sent last (RULES S-20). Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from prefsvc.evidence import Evidence
from prefsvc.suppression import ActKind

_A_SECOND: Final = timedelta(seconds=1)

Order = Literal["alone", "later", "earlier", "unknown"]
"""Whether a text was sent after all that it crossed, before some of it, or crossed nothing."""


@dataclass(frozen=True, slots=True)
class Text:
    """Which text message it was, and when the provider says it was sent, if that is known."""

    provider: str
    message_id: str
    account: str | None = None
    sent_at: datetime | None = None

    @classmethod
    def of_evidence(cls, evidence: Evidence) -> "Text | None":
        """Read it back from what proves an act; None where no message does."""
        sent_at = evidence.get("sent_at")
        if "provider" not in evidence or "message_id" not in evidence:
            return None
        return cls(
            evidence["provider"],
            evidence["message_id"],
            evidence.get("account"),
            datetime.fromisoformat(sent_at) if sent_at else None,
        )

    def moment(self, moments: "Moments") -> datetime | None:
        """Return when it was sent, by itself or by what the provider told."""
        return self.sent_at or moments.get(self)


Moments: TypeAlias = Mapping[Text, datetime]


@dataclass(frozen=True, slots=True)
class Crossed:
    """An act of the other kind: the text it came by, if it did, and when it was said, if known."""

    text: Text | None
    said_at: datetime | None = None

    def moment(self, moments: Moments) -> datetime | None:
        """Return when it was said, as far as that is known."""
        return self.text.moment(moments) if self.text else self.said_at


def lacking(text: Text, crossed: Sequence[Crossed]) -> tuple[Text, ...]:
    """Return the texts of which the order depends on a moment that is not known."""
    texts = [text, *(one.text for one in crossed if one.text)] if crossed else []
    return tuple(dict.fromkeys(one for one in texts if one.sent_at is None))


def order(kind: ActKind, text: Text, crossed: Sequence[Crossed], moments: Moments) -> Order:
    """Say where a STOP (an opt-out) or a START (an opt-in) stands among what it crossed."""
    if not crossed:
        return "alone"
    sent_at = text.moment(moments)
    said = [one.moment(moments) for one in crossed]
    if sent_at is None:
        return "unknown"
    if any(at and _is_overtaken(kind, sent_at, at) for at in said):
        return "earlier"
    return "later" if all(said) else "unknown"


def _is_overtaken(kind: ActKind, sent_at: datetime, other_at: datetime) -> bool:
    if kind == "opt_out":
        return _is_stop_first(sent_at, other_at)
    return not _is_stop_first(other_at, sent_at)


def _is_stop_first(stop_at: datetime, start_at: datetime) -> bool:
    """Say whether a STOP was surely sent before a START: stop wins a tie (S-20).

    Twilio tells whole seconds, and means the one that begins then; others tell parts of it.
    """
    is_whole_second = stop_at.microsecond == 0
    return stop_at + _A_SECOND <= start_at if is_whole_second else stop_at < start_at
