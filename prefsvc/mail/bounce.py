"""Reports that a message was not delivered: the standard ones (RFC 3464), and all the others.

A report counts only where it says that the address does not exist, for good; a full mailbox, a
block or a delay is not the person's business (E-50, E-52).
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from prefsvc.mail import addresses, automatic
from prefsvc.mail.hypertext import plain_text
from prefsvc.mail.message import Entity, enclosed
from prefsvc.mail.refusals import Phase, phase_of, verdict

_STATUS_TYPES: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
_ORIGINAL_TYPES: Final = frozenset(
    {
        "message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers",
        "message/global-headers", "text/rfc822",
    }
)  # fmt: skip
_REPORT_CHARS_MAX: Final = 32 * 1024
_EVIDENCE_LINES_MAX: Final = 12
_RECIPIENTS_MAX: Final = 100
_GROUP_GAP: Final = re.compile(r"\n[ \t]*\n")
_TYPED_VALUE: Final = re.compile(r"^\s*[\w-]{1,40}\s*;\s*")
_UTF8_ESCAPE: Final = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")

_SUBJECTS: Final = re.compile(
    r"(?:undeliver|undelivrable|non.?deliver|not deliver|(?:mail|message|delivery|e-?mail) "
    r"(?:system )?(?:delivery )?(?:status|fail|error|problem|notification|could not|not|can ?not|was not|"
    r"reject|delay|return|undeliver)|deliver(?:y|ing) (?:status|fail|report|error|has failed|problem|"
    r"notification|unsuccess)|failure (?:notice|to deliver|delivery)|fail(?:ed|ure):|returned (?:mail|to sender)|"
    r"return(?:ed)? (?:message|e-?mail)|bounce|warning: (?:could not|message)|rejected|cannot (?:be )?(?:send|sent|deliver)|"
    r"unzustellbar|nicht zugestellt|unzustell|zustellung|fehler bei|rückläufer|mailzustellung|"
    r"non remis|non distribu|échec|avis de non|notification d'échec|no entregado|no se (?:puede|ha podido) entregar|"
    r"devuelto|error de entrega|não (?:entregue|é possível)|falha|mancato recapito|non recapitabile|"
    r"niet (?:bezorgd|afgeleverd)|onbestelbaar|inte leverer|olevererbar|kan ikke leveres|kunne ikke|"
    r"toimitus|nie (?:można )?dostarcz|niedostarcz|zwrot|nedoruč|nem kézbesít|не доставлен|недоставлен|"
    r"невозможно доставить|не удалось|teslim edilemedi|iletilemedi|退信|未送达|無法傳送|无法投递|系统退信|"
    r"配信不能|配信エラー|送信できません|送信不能|届きません|送達|전송 실패|배달 실패|발송실패|반송)",
    re.IGNORECASE,
)
# From here on a report shows the message that it is about: a heading, or the header itself.
_ORIGINAL_BEGINS: Final = re.compile(
    r"\n[ \t>*=_#-]{0,80}(?:"
    r"(?:(?:this|here|below(?: this line)?|included|enclosed|attached|following) (?:is|are) )?(?:a |the |your )?"
    r"(?:copy of (?:the|your)(?: original)? message|unsent message|undelivered message|returned message"
    r"|rejected message|original message|bounced e-?mail|message headers?|header of the original"
    r"|original headers?|received headers?)"
    r"(?:,? (?:follows?|headers?|header|text|below|is|following|attached|included|including|all|the))*[^\w\n]{0,80}"
    r"|(?:received|return-path|message-id|x-originating-ip|dkim-signature|mime-version): ?\S[^\n]{0,400}"
    r")(?=\n|\Z)",
    re.IGNORECASE,
)
_TO_IN_TEXT: Final = re.compile(r"\n[ \t>]{0,8}to: ?([^\n]{3,300})", re.IGNORECASE)
_COMMAND: Final = re.compile(r"^\s*>>> ?(\w+(?: from| to)?)", re.MULTILINE | re.IGNORECASE)
_HARD_SES: Final = frozenset({"General", "NoEmail"})
_FAILED: Final = "failed"
_POWERMTA_OF_NOBODY: Final = frozenset({"bad-mailbox", "bad-domain"})


@dataclass(frozen=True, slots=True)
class Bounce:
    """A report: of whom it says that nobody is there."""

    gone: tuple[str, ...] = field(default=(), repr=False)
    """Canonical addresses; empty where the report says something else."""


@dataclass(frozen=True, slots=True)
class _Recipient:
    address: str | None
    action: str
    status: str
    diagnostic: str
    category: str


def read(message: Entity) -> Bounce | None:
    """Read a report of delivery; None if the message is none."""
    if notice := notification(message):
        return _of_notification(notice)
    recipients = list(_reported(message))
    if not recipients and not _is_report(message):
        return None
    text = _report_text(message)
    ours = set(_ours(message))
    gone = _gone_by_status(recipients, text) if recipients else None
    if gone is None:
        gone = _gone_by_text(message, ours)
    return Bounce(tuple(one for one in dict.fromkeys(gone) if one not in ours)[:_RECIPIENTS_MAX])


def original_of(message: Entity) -> Entity | None:
    """Return the message that a report encloses, or as much of it as it does."""
    for part in message.walk():
        if part is not message and part.media_type in _ORIGINAL_TYPES:
            return enclosed(part)
    return None


def fields_of(text: str) -> dict[str, str]:
    """Read a group of fields in a report; a field that is there twice keeps its first value."""
    found: dict[str, str] = {}
    for line in re.sub(r"\n[ \t]+", " ", text).split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip().lower(), value.strip())
    return found


def _is_report(message: Entity) -> bool:
    if message.parameters.get("report-type", "").lower() == "delivery-status":
        return True
    if message.has("x-failed-recipients"):
        return True
    subject = message.words("subject")
    is_about_delivery = bool(_SUBJECTS.search(subject)) and not automatic.is_answer(subject)
    sender = addresses.first(message, "from", "sender")
    is_daemon = _is_daemon(sender, message.words("from"))
    if automatic.is_from_nobody(message) or is_daemon:
        return is_about_delivery or is_daemon or not automatic.is_submitted_by_program(message)
    # A person may write about a delivery, too; a report shows the message that it is about.
    return is_about_delivery and _shows_a_refused_message(message)


def _shows_a_refused_message(message: Entity) -> bool:
    text, shown = _cut(message)
    return bool(shown or original_of(message)) and verdict(text) is not None


def _is_daemon(sender: str | None, name: str) -> bool:
    said = f"{sender or ''} {name}".lower()
    return bool(
        re.search(
            r"mailer[-_ ]?daemon|post-?master|mail delivery (?:sub)?system|system admin", said
        )
    )


# --- the standard report -------------------------------------------------------------------------


def _reported(message: Entity) -> Iterator[_Recipient]:
    for part in message.walk():
        if part.media_type in _STATUS_TYPES:
            for group in _GROUP_GAP.split(part.text[:_REPORT_CHARS_MAX]):
                yield from _recipient(fields_of(group))


def _recipient(fields: dict[str, str]) -> Iterator[_Recipient]:
    named = [
        fields.get(name) for name in ("original-recipient", "final-recipient", "x-actual-recipient")
    ]
    if not any(named):
        return
    # E-50: whom we wrote to, before where it went in the end.
    found = next((one for text in named if text and (one := _typed_address(text))), None)
    yield _Recipient(
        found,
        re.split(r"[\s;(]", fields.get("action", "").lower(), maxsplit=1)[0],
        fields.get("status", ""),
        fields.get("diagnostic-code", ""),
        fields.get("x-powermta-bouncecategory", "").lower(),
    )


def _typed_address(value: str) -> str | None:
    # RFC 6533 §3: \x{…} stands for what ASCII cannot say.
    text = _UTF8_ESCAPE.sub(lambda found: _letter(found[1]), _TYPED_VALUE.sub("", value))
    return addresses.canonical(next(iter(addresses.listed(text)), None))


def _letter(digits: str) -> str:
    number = int(digits, 16)
    return chr(number) if number <= 0x10FFFF else "\ufffd"  # the last letter of Unicode


def _gone_by_status(recipients: Sequence[_Recipient], text: str) -> list[str] | None:
    """Return who is gone; None where the report fails them without saying why."""
    failed = [one for one in recipients if one.action in {_FAILED, ""}]
    verdicts = [_verdict_on(one, text, is_alone=len(failed) == 1) for one in failed]
    if any(address is None for address, _ in verdicts):
        return None
    return [address for address, is_gone in verdicts if address and is_gone]


def _verdict_on(one: _Recipient, text: str, *, is_alone: bool) -> tuple[str | None, bool]:
    if one.category:
        return one.address, one.category in _POWERMTA_OF_NOBODY
    evidence = text if is_alone else _lines_about(one.address, text)
    phase = phase_of(evidence) or _transcribed_phase(text)
    if not one.status:  # a server that has no codes says in words what failed the recipient
        phase = phase or "recipient"
    found = verdict(one.diagnostic, one.status, phase=phase)
    if not one.diagnostic or found is None:
        found = verdict(evidence, one.status, phase=phase) or found
    return one.address, found == "nobody"


def _transcribed_phase(text: str) -> Phase | None:
    """Tell after which command the first refusal stands in a transcript (`>>> DATA`)."""
    before, refused, _ = text.partition("<<< 5")
    commands = _COMMAND.findall(before) if refused else []
    return phase_of(f">>> {commands[-1]} ") if commands else None


def _lines_about(address: str | None, text: str) -> str:
    return "\n".join(block for found, block in _blocks(text) if found == address)


# --- every other report --------------------------------------------------------------------------


def _report_text(message: Entity) -> str:
    """Return what the report itself says, without the message that it is about."""
    return _cut(message)[0]


def _cut(message: Entity) -> tuple[str, str]:
    """Cut the text of a report into what it says, and the message it shows if that is in the text."""
    pieces: list[str] = []
    for part in message.walk():
        if part.parts or part.is_attached:
            continue
        if part.media_type == "text/plain":
            pieces.append(part.text)
        elif part.media_type == "text/html" and not any(piece.strip() for piece in pieces):
            pieces.append(plain_text(part.text))
    text = "\n" + "\n".join(pieces)[:_REPORT_CHARS_MAX]
    begins = _ORIGINAL_BEGINS.search(text)
    return (text[: begins.start()], text[begins.start() :]) if begins else (text, "")


def _gone_by_text(message: Entity, ours: set[str]) -> list[str]:
    text, shown = _cut(message)
    blocks = [(found, block) for found, block in _blocks(text) if found not in ours]
    verdicts: dict[str, set[str]] = {}
    for found, block in blocks:
        before = text.partition(block)[0] + block
        if said := verdict(block, phase=_last_phase(before)):
            verdicts.setdefault(found, set()).add(said)
    if verdicts:
        return [one for one, said in verdicts.items() if said == {"nobody"}]
    if verdict(text) != "nobody":
        return []
    named = list(dict.fromkeys(found for found, _ in blocks)) or _addressed(message, shown)
    return named if len(named) == 1 else []


def _last_phase(text: str) -> Phase | None:
    commands = _COMMAND.findall(text)
    return phase_of(f">>> {commands[-1]} ") if commands else None


def _blocks(text: str) -> list[tuple[str, str]]:
    """Cut a text into what is said of each address: from its first line to the next address's."""
    found: list[tuple[str, list[str]]] = []
    for line in text.split("\n"):
        named = [
            one for _, written in addresses.in_text(line) if (one := addresses.canonical(written))
        ]
        named = [one for one in named if not automatic.is_program_address(one)] or named[:1]
        if named and (not found or found[-1][0] not in named):
            found.append((named[0], []))
        if found and len(found[-1][1]) < _EVIDENCE_LINES_MAX:
            found[-1][1].append(line)
    return [(address, "\n".join(lines)) for address, lines in found]


def _addressed(message: Entity, shown: str) -> list[str]:
    """Return to whom the message went that a report encloses or shows."""
    original = original_of(message)
    found = addresses.first(message, "x-failed-recipients")
    found = found or (addresses.first(original, "to") if original else None)
    if found is None and (line := _TO_IN_TEXT.search(shown)):
        found = addresses.canonical(next(iter(addresses.listed(line[1])), None))
    return [found] if found else []


def _ours(message: Entity) -> Iterable[str]:
    """Yield the addresses that are ours: where the report went, and who wrote the original."""
    names = ("to", "delivered-to", "envelope-to")
    original = original_of(message)
    values = [value for name in names for value in message.all(name)]
    values += (
        [value for name in ("from", "return-path") for value in original.all(name)]
        if original
        else []
    )
    for value in values:
        for text in addresses.listed(value):
            if found := addresses.canonical(text):
                yield found


# --- Amazon SES, which mails its notifications as JSON -------------------------------------------


def notification(message: Entity) -> dict[str, Any] | None:
    text = message.text.lstrip() if message.media_type == "text/plain" else ""
    if not text.startswith("{"):
        return None
    text = text[:_REPORT_CHARS_MAX].replace("!\n ", "")  # as sendmail cuts lines that are too long
    try:
        found = json.JSONDecoder(strict=False).raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None
    is_notice = {"notificationType", "eventType"} & found.keys() and "mail" in found
    return found if is_notice else None


def _of_notification(notice: dict[str, Any]) -> Bounce:
    match notice:
        case {
            "bounce": {
                "bounceType": "Permanent",
                "bounceSubType": kind,
                "bouncedRecipients": list(many),
            }
        }:
            if kind in _HARD_SES:
                written = [one.get("emailAddress") for one in many if isinstance(one, dict)]
                return Bounce(
                    tuple(one for text in written if (one := addresses.canonical(str(text))))
                )
    return Bounce()
