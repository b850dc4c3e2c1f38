"""How far a mail is believed: whether it proves what it says, and which reports are heard (E-44).

An opt-out counts whoever wrote it; a report by a program, which names somebody else, does not.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final, Literal

from prefsvc.mail import addresses, report
from prefsvc.mail.authentication import Authentication
from prefsvc.mail.message import Entity
from prefsvc.mail.reading import Reading

Hearing = Literal["heard", "ask", "ignored"]

UNSIGNED: Final = "report_unsigned"
"""Why a complaint is asked about, or passed over, that does not show that it is no forgery."""

_OF_CFBL: Final = ("cfbl-address", "cfbl-feedback-id")


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the message that a complaint is about has to show."""

    is_cfbl: bool
    is_token_elsewhere: bool
    """Whether our token is in another field than CFBL-Feedback-ID."""


def is_proven(
    named_by: str, reading: Reading, known: Authentication, signers: Collection[str]
) -> bool:
    """Say whether it is sure that a mail is about whom it names (E-34).

    Our own token proves it, whoever sends it. Of a request, that its author's domain vouches for
    the sender. Of a complaint, that one of these domains signed it. Of a bounce, nothing else does.
    """
    if named_by == "token":
        return True
    if named_by != "sender" or reading.outcome == "undeliverable":
        return False
    return known.is_signed_by(signers) if _is_report(reading) else known.proves(reading.address)


def hear(
    reading: Reading,
    message: Entity,
    known: Authentication,
    *,
    signers: Collection[str],
    by_token: bool,
) -> Hearing:
    """Say whether a complaint is acted on, looked at by somebody, or passed over.

    Where nobody has looked into who sent it, all are heard. Our own token is proof enough (E-44),
    except where it came in a CFBL-Feedback-ID: such a report must be signed by its author (E-45).
    """
    if not _is_report(reading) or known.by == "nobody":
        return "heard"
    shown = _shown(reading, message)
    if by_token and shown.is_token_elsewhere:
        return "heard"
    if shown.is_cfbl and not known.is_aligned:
        return "ask" if known.is_unknown else "ignored"
    return "heard" if by_token or known.is_signed_by(signers) else "ask"


def _is_report(reading: Reading) -> bool:
    return reading.why in {"feedback_report", UNSIGNED}


def _shown(reading: Reading, message: Entity) -> _Shown:
    original = report.original_of(message)
    if original is None:
        return _Shown(is_cfbl=False, is_token_elsewhere=False)
    fields = tuple(one for one in original.fields if one[0] != "cfbl-feedback-id")
    elsewhere = addresses.tokens_in_original(replace(original, fields=fields))
    return _Shown(original.has(*_OF_CFBL), any(one in reading.tokens for one in elsewhere))
