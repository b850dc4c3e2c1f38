"""Whether a message came back, and of whom that says that nobody is there (E-50, E-52).

A report counts only where it says that the address does not exist, for good; a full mailbox, a
block or a delay is not the person's business. Standard reports (RFC 3464) are read by recipient,
all others by the lines that stand with each address.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from prefsvc.mail import addresses, automatic, report
from prefsvc.mail.message import Entity
from prefsvc.mail.refusals import verdict
from prefsvc.mail.report import Recipient
from prefsvc.mail.tables import table
from prefsvc.mail.transcripts import Phase, first_refused_phase, last_phase, phase_of

_EVIDENCE_LINES_MAX: Final = 12
_RECIPIENTS_MAX: Final = 100
_DAEMON: Final = re.compile(
    r"mailer[-_ ]?daemon|mdaemon|post-?master|mail delivery (?:sub)?system|system admin",
    re.IGNORECASE,
)
_FAILED: Final = frozenset({"failed", "failure", "error", ""})  # not all know the word
_NOBODY_TO_POWERMTA: Final = frozenset({"bad-mailbox", "bad-domain"})
_NOBODY_TO_SES: Final = frozenset({"General", "NoEmail"})


@dataclass(frozen=True, slots=True)
class Bounce:
    """A message that came back."""

    gone: tuple[str, ...] = field(default=(), repr=False)
    """Where nobody is, in canonical form; empty where the report says something else."""
    tokens: tuple[str, ...] = field(default=(), repr=False)
    """Of the message that came back: they show that it was ours."""


def read(message: Entity) -> Bounce | None:
    """Read a report of delivery; None if the message is none."""
    if notice := report.notification(message):
        return Bounce(tuple(_gone_by_notice(notice)))
    recipients = list(report.recipients(message))
    if not recipients and not _is_report(message):
        return None
    gone = _gone_by_status(recipients, report.said(message).text) if recipients else None
    if gone is None:
        gone = _gone_by_text(message)
    ours, original = report.ours(message), report.original_of(message)
    tokens = dict.fromkeys(addresses.tokens_in_original(original)) if original else ()
    left = [one for one in dict.fromkeys(gone) if one not in ours]
    return Bounce(tuple(left[:_RECIPIENTS_MAX]), tuple(tokens))


def _is_report(message: Entity) -> bool:
    is_declared = message.parameters.get("report-type", "").lower() == "delivery-status"
    if is_declared or message.has("x-failed-recipients"):
        return True
    subject = message.words("subject")
    is_about = not automatic.is_answer(subject) and bool(_subjects().search(subject.lower()))
    if automatic.is_from_nobody(message):
        return is_about or not automatic.is_submitted_by_program(message)
    # Postmasters are people, too, and anybody may write about a delivery.
    if _is_from_daemon(message):
        return is_about or verdict(report.said(message).text) is not None
    return is_about and _shows_a_refused_message(message)


def _is_from_daemon(message: Entity) -> bool:
    sender = addresses.first(message, "from", "sender")
    return bool(_DAEMON.search(f"{sender or ''} {message.words('from')}"))


def _shows_a_refused_message(message: Entity) -> bool:
    said = report.said(message)
    return bool(said.shown or report.original_of(message)) and verdict(said.text) is not None


def _gone_by_notice(notice: dict[str, Any]) -> list[str]:
    match notice.get("bounce"):
        case {"bounceType": "Permanent", "bounceSubType": kind, "bouncedRecipients": list(many)}:
            return report.notified(many) if kind in _NOBODY_TO_SES else []
    return []


# --- by recipient --------------------------------------------------------------------------------


def _gone_by_status(recipients: Sequence[Recipient], text: str) -> list[str] | None:
    """Return who is gone; None where the report does not say whom it failed."""
    failed = [one for one in recipients if one.action in _FAILED]
    if any(one.address is None for one in failed):
        return None
    is_alone = len(failed) == 1
    return [
        one.address
        for one in failed
        if one.address
        and _is_gone(one, text if is_alone else _lines_about(one.address, text), text)
    ]


def _is_gone(one: Recipient, evidence: str, text: str) -> bool:
    if one.category:
        return one.category in _NOBODY_TO_POWERMTA
    phase = phase_of(evidence) or first_refused_phase(text)
    if not one.status:  # a server that has no codes says in words what failed the recipient
        phase = phase or "recipient"
    found = verdict(one.diagnostic, one.status, phase=phase) if one.diagnostic else None
    return (found or verdict(evidence, one.status, phase=phase)) == "nobody"


def _lines_about(address: str, text: str) -> str:
    return "\n".join(block for found, block, _ in _blocks(text) if found == address)


# --- by lines ------------------------------------------------------------------------------------


def _gone_by_text(message: Entity) -> list[str]:
    text, ours = report.said(message).text, report.ours(message)
    blocks = [one for one in _blocks(text) if one[0] not in ours]
    verdicts: dict[str, set[str]] = {}
    for found, block, phase in blocks:
        if said := verdict(block, phase=phase):
            verdicts.setdefault(found, set()).add(said)
    if verdicts:
        return [one for one, said in verdicts.items() if said == {"nobody"}]
    if verdict(text) != "nobody":
        return []
    named = list(dict.fromkeys(found for found, _, _ in blocks))
    addressed = None if named else report.addressed(message)
    return [addressed] if addressed else named if len(named) == 1 else []


def _blocks(text: str) -> list[tuple[str, str, Phase | None]]:
    """Cut a text into what is said of each address, from its first line to the next address's.

    With each goes the last command before or in it, if the text is a transcript.
    """
    found: list[tuple[str, list[str], Phase | None]] = []
    phase: Phase | None = None
    for line in text.split("\n"):
        phase = last_phase(line) or phase
        named = _named_in(line)
        if named and (not found or found[-1][0] not in named):
            found.append((named[0], [], phase))
        if found and len(found[-1][1]) < _EVIDENCE_LINES_MAX:
            found[-1][1].append(line)
    return [(address, "\n".join(lines), phase) for address, lines, phase in found]


def _named_in(line: str) -> list[str]:
    named = [one for _, text in addresses.in_text(line) if (one := addresses.canonical(text))]
    # "Contact postmaster@…" is about nobody, unless no other address is there.
    return [one for one in named if not automatic.is_program_address(one)] or named[:1]


@cache
def _subjects() -> re.Pattern[str]:
    return re.compile("|".join(table("reports")["subjects"]))
