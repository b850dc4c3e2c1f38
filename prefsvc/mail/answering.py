"""Whether a mail may be answered, and what an answer must know of it (RFC 3834; E-32, E-33).

An answer that should not have been written is read by a stranger, or by another program that
answers it in turn. So everything here errs on the side of silence: who hears nothing has opted out
all the same.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from prefsvc.address import Address
from prefsvc.errors import InvalidAddress
from prefsvc.mail import addresses, automatic
from prefsvc.mail.message import Entity
from prefsvc.wording.texts import accepted_languages

REFERENCES_MAX: Final = 10
_ID: Final = re.compile(r"<[!-;=?-~]{1,248}>")
# Owners and robots of lists, and addresses that were rewritten on their way (SRS, BATV, VERP).
_NOBODYS: Final = re.compile(r"owner-|.*[-+](?:owner|request|bounces?|errors?)(?:[+-].*)?@|.*=.*@")


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail that may be answered."""

    return_path: str = field(repr=False)
    """Whom an answer goes to and nobody else: the envelope's sender, in canonical form."""
    message_id: str | None = field(default=None, repr=False)
    references: tuple[str, ...] = field(default=(), repr=False)
    """The conversation that it stands in, the oldest first, without itself."""
    languages: tuple[str, ...] = ()
    """In which its author writes or reads, the best first."""


def letter(message: Entity, reverse_path: str | None) -> Letter | None:
    """Return what may be answered; None for what a program, a list or nobody sent.

    `reverse_path` is the envelope's sender. Where there was no envelope, the Return-Path says it,
    which the server that took the mail in wrote; From and Reply-To never do (RFC 3834 §4).
    """
    path = _return_path(message, reverse_path)
    if path is None or _is_of_program(message):
        return None
    return Letter(path, _message_id(message), _references(message), _languages(message))


def _return_path(message: Entity, reverse_path: str | None) -> str | None:
    """Return where an answer may go; None if it is null, nobody's, or no mail could be sent to."""
    text = reverse_path
    if text is None:
        text = next(iter(addresses.listed(message.first("return-path") or "")), "")
    try:
        path = Address.for_opt_in("email", text).canonical
    except InvalidAddress:
        return None
    is_nobodys = automatic.is_program_address(path) or bool(_NOBODYS.match(path))
    return path if path.isascii() and not is_nobodys else None


def _is_of_program(message: Entity) -> bool:
    """Say whether a program wrote or passed it on, even one that does what a person pressed."""
    return (
        automatic.reason(message, ()) is not None
        or automatic.is_unsubscribe_click(message)
        or any(name.startswith("list-") for name, _ in message.fields)
        or _is_to_stay_unanswered(message)
    )


def _is_to_stay_unanswered(message: Entity) -> bool:
    """Say whether it asks for no automatic answer, as Exchange writes it."""
    asked = (message.first("x-auto-response-suppress") or "").lower()
    return any(word in asked for word in ("all", "oof", "autoreply"))


def _message_id(message: Entity) -> str | None:
    found = _ID.search(message.first("message-id") or "")
    return found[0] if found else None


def _references(message: Entity) -> tuple[str, ...]:
    """Return the thread (RFC 5322 §3.6.4); of a long one its beginning and its end."""
    ids = _ID.findall(message.first("references") or "")
    if not ids:
        ids = _ID.findall(message.first("in-reply-to") or "")
        ids = ids if len(ids) == 1 else []
    return tuple(ids if len(ids) <= REFERENCES_MAX else [ids[0], *ids[1 - REFERENCES_MAX :]])


def _languages(message: Entity) -> tuple[str, ...]:
    said = (message.first(name) for name in ("content-language", "accept-language"))
    return tuple(one for value in said for one in accepted_languages(value))
