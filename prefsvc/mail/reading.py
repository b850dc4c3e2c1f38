"""What a mail is: an opt-out, a complaint, a report that nobody is there, or nothing of ours.

Rule 1: a token in the address it was sent to says all; subject and body may be empty (E-31).
Rule 2: what a program wrote asks for nothing, whatever words it quotes (E-30).
Rule 3: only the person's own words count (E-35), and doubt is `ask`, never `ignored`.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from prefsvc.address import Address
from prefsvc.errors import InvalidAddress
from prefsvc.mail import addresses, automatic, bounce, complaint, reply, requests
from prefsvc.mail.message import Entity, parse
from prefsvc.mail.requests import Request
from prefsvc.token import Keyring, SealedToken

Outcome = Literal["opt_out", "complaint", "undeliverable", "ask", "ignored"]

OCTETS_MAX: Final = 25 * 2**20
"""Octets of a message; a longer one is not read: its sender is told when a door refuses it."""

_RECIPIENTS_MAX: Final = 200
_UNSUBSCRIBE_MAILBOX: Final = re.compile(
    r"u\+.{1,1000}@"  # a token that was damaged on its way
    r"|(?:.{1,40}[-_.+])?(?:un-?sub(?:scribe)?s?|unsubscriptions?|opt-?outs?|remove|removal|signoff"
    r"|abmeld(?:en|ung)|abbestell(?:en|ung)|austragen|d[ée]sabonne(?:r|ment)|d[ée]sinscri(?:re|ption)"
    r"|bajas?|disiscri(?:viti|zione)|cancellami|uitschrijven|afmelden|avregistrera|afmeld|avmeld"
    r"|wypisz|odhlasit)(?:[-_.+].{1,60})?@"
)
_SCOPES: Final = ("everything", "channel")  # the widest first
_UNREADABLE_TYPES: Final = frozenset(
    {"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"}
)


_MEANING: Final[dict[complaint.Kind, tuple[Outcome, str]]] = {
    "complaint": ("complaint", "feedback_report"),
    "opt_out": ("opt_out", "feedback_report"),
    "unknown": ("ask", "feedback_of_unknown_type"),
    "malformed": ("ask", "feedback_malformed"),
    "none": ("ignored", "feedback_of_another_kind"),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read in a message, and why; its repr shows neither addresses nor tokens."""

    outcome: Outcome
    why: str
    """The name of the rule that decided."""
    address: str | None = field(default=None, repr=False)
    """Whom it is about, in canonical form; None where only a token says so, or nobody does."""
    scope: str | None = None
    """Of an opt-out: "channel", "everything", or a topic, in the token's or the person's words."""
    tokens: tuple[str, ...] = field(default=(), repr=False)
    """Tokens that say whom it is about; where the keys are not at hand, they may be forged."""
    others: tuple[str, ...] = field(default=(), repr=False)
    """Further addresses: where the same report says nobody is, or that the person's words name."""
    rule: str | None = None
    """Of the person's words: the rule of prefsvc.intent, or of prefsvc.mail.requests, that fits."""


@dataclass(frozen=True, slots=True)
class _Place:
    """What the reader of a message knows besides the message."""

    recipients: Sequence[str]
    mailboxes: Collection[str]
    keyring: Keyring | None


def read(
    raw: bytes,
    *,
    recipients: Sequence[str] = (),
    mailboxes: Collection[str] = (),
    keyring: Keyring | None = None,
    reverse_path: str | None = None,
) -> Reading:
    """Say what a raw message is; never raises, and takes time in proportion to its length.

    `recipients` are those of the envelope, where it is known; `mailboxes` are our own addresses to
    which people write to be removed, canonical. With a `keyring` only authentic tokens count.
    `reverse_path` is the envelope's sender: a server that hands mail on need not write it into it.
    """
    if len(raw) > OCTETS_MAX:
        return Reading("ignored", "too_large")
    return read_message(
        parse(raw),
        recipients=recipients,
        mailboxes=mailboxes,
        keyring=keyring,
        reverse_path=reverse_path,
    )


def read_message(
    message: Entity,
    *,
    recipients: Sequence[str] = (),
    mailboxes: Collection[str] = (),
    keyring: Keyring | None = None,
    reverse_path: str | None = None,
) -> Reading:
    """Say what a message is that was taken apart before, as `read` does."""
    message = _with_reverse_path(message, reverse_path)
    place = _Place(recipients, frozenset(mailboxes), keyring)
    reported = _reported(message, place)
    return (
        (None if reported else _sent_to_token(message, place))
        or reported
        or _clicked(message, place)
        or _written_by_program(message, place)
        or _asked(message, place)
    )


def _with_reverse_path(message: Entity, reverse_path: str | None) -> Entity:
    """Return the message as its last server would have it (RFC 5321 §4.4)."""
    if reverse_path is None or (reverse_path and message.has("return-path")):
        return message  # what the mail says is older, and nobody makes a null path of another
    return replace(message, fields=(("return-path", f"<{reverse_path}>"), *message.fields))


def _sent_to_token(message: Entity, place: _Place) -> Reading | None:
    """Read a message to `u+<token>@…`: a List-Unsubscribe, even if marked as automatic (E-31)."""
    if automatic.is_from_nobody(message) or message.media_type == "multipart/report":
        return None
    sent_to = [*place.recipients, *addresses.recipients(message)]
    return _named_by_token("opt_out", "token_address", addresses.tokens_of(sent_to), place)


def _named_by_token(
    outcome: Outcome, why: str, tokens: Sequence[str], place: _Place
) -> Reading | None:
    for token in dict.fromkeys(tokens):
        if place.keyring is None:
            return Reading(outcome, why, tokens=(token,))
        for found in place.keyring.candidates(token):
            if not isinstance(found, SealedToken):
                return Reading(outcome, why, tokens=(token,))
            address = _address_in(found)
            return Reading(outcome, why, address, found.link.topic or "channel", (token,))
    return None


def _address_in(found: SealedToken) -> str | None:
    """Return the mail address in a token; one of another channel is left to who opens the token."""
    try:
        address = Address.for_opt_out(found.channel, found.link.address)
    except InvalidAddress:
        return None
    return address.canonical if address.channel == "email" else None


def _reported(message: Entity, place: _Place) -> Reading | None:
    """Read a report by another mail system: of a complaint, or of a message that came back."""
    if complained := complaint.read(message):
        return _of_complaint(complained, place)
    if returned := bounce.read(message):
        if not returned.gone:
            return Reading("ignored", "bounce_for_another_reason")
        first, *others = returned.gone
        return Reading(
            "undeliverable", "nobody_there", first, tokens=returned.tokens, others=tuple(others)
        )
    return None


def _of_complaint(said: complaint.Complaint, place: _Place) -> Reading:
    outcome, why = _MEANING[said.kind]  # E-42
    if outcome == "ignored":
        return Reading(outcome, why)
    # E-43: who obscures the address leaves our own token in the message.
    named = _named_by_token(outcome, why, said.tokens, place)
    if named and named.address:
        return named
    tokens = named.tokens if named else ()
    return Reading(outcome, why, said.address, "channel", tokens)  # E-40: all that is mailed


def _clicked(message: Entity, place: _Place) -> Reading | None:
    """Read what a mail program sends by itself when somebody presses *Unsubscribe*."""
    is_click = automatic.is_unsubscribe_click(message) or (
        automatic.is_generated(message)
        and requests.is_command(message.words("subject"))
        and _is_to_mailbox(message, place)
    )
    if not is_click:
        return None
    return _by_sender("opt_out", Request("stop", "unsubscribe_click", "channel"), message)


def _written_by_program(message: Entity, place: _Place) -> Reading | None:
    reason = automatic.reason(message, place.mailboxes)
    if reason is None:
        return None
    if reason == "list_mail" and _is_to_mailbox(message, place):
        asked = _asked(message, place)
        if asked.outcome != "ignored":  # a list between the person and the mailbox, or none of ours
            return Reading("ask", reason, asked.address, rule=asked.rule)
    return Reading("ignored", reason)


def _asked(message: Entity, place: _Place) -> Reading:
    """Read what a person wrote: the subject, unless it is the answered message's, and the body."""
    subject = message.words("subject")
    words = reply.own_words(message)
    is_answer = automatic.is_answer(subject)
    found = [requests.of_text(words)] if words else []
    if subject and not is_answer:
        found.insert(0, _of_subject(subject, words, found))
    if stops := [one for one in found if one.asked == "stop"]:
        read = _by_sender("opt_out", _widest(stops), message)
        named = requests.named_addresses(words if is_answer else f"{subject}\n{words}")
        return replace(read, others=tuple(one for one in named if one != read.address))
    if doubts := [one for one in found if one.asked == "ask"]:
        return _by_sender("ask", doubts[0], message)
    if doubt := _doubt(message, place, subject=subject, words=words):
        return _by_sender("opt_out" if doubt.asked == "stop" else "ask", doubt, message)
    return Reading("ignored", "nothing_asked")


def _of_subject(subject: str, words: str, found: Sequence[Request]) -> Request:
    """Read a subject; "Cancellation" of a letter about an order is no clear request."""
    asked = requests.of_subject(subject)
    is_of_another = requests.ends_a_contract(subject, words) and found[0].asked == "none"
    return replace(asked, asked="ask") if asked.asked == "stop" and is_of_another else asked


def _doubt(message: Entity, place: _Place, *, subject: str, words: str) -> Request | None:
    """Say what a message asks for that has no words for it."""
    is_answer = automatic.is_answer(subject)
    if _is_to_mailbox(message, place):
        is_empty = not any(map(str.isalnum, words)) and requests.is_no_subject(subject)
        asked = Request("stop", "empty_to_unsubscribe_mailbox", "channel") if is_empty else None
        return asked or Request("ask", "unclear_to_unsubscribe_mailbox")
    if is_answer and not words:
        own = requests.of_subject(automatic.own_subject(subject))
        return Request("ask", "answered_removal_subject") if own.asked == "stop" else None
    is_unreadable = not words and message.media_type in _UNREADABLE_TYPES
    return Request("ask", "encrypted") if is_unreadable else None


def _by_sender(outcome: Outcome, request: Request, message: Entity) -> Reading:
    # E-34: a sender can be forged; the door knows how far to believe it.
    sender = addresses.first(message, "from", "sender", "return-path")
    if sender is None:
        return Reading("ask", "nobody_named", rule=request.rule)
    return Reading(outcome, request.rule, sender, request.scope, rule=request.rule)


def _widest(stops: Sequence[Request]) -> Request:
    return min(stops, key=lambda one: _SCOPES.index(one.scope) if one.scope in _SCOPES else 2)


def _is_to_mailbox(message: Entity, place: _Place) -> bool:
    """Say whether it was sent to one of the mailboxes, or to one that is named like one."""
    return any(
        address in place.mailboxes or _UNSUBSCRIBE_MAILBOX.match(address)
        for address in _canonical_recipients(message, place)
    )


def _canonical_recipients(message: Entity, place: _Place) -> Iterator[str]:
    for text in [*place.recipients, *addresses.recipients(message)][:_RECIPIENTS_MAX]:
        if found := addresses.canonical(text):
            yield found
