"""Which mail a message is: the same one however often, and by whichever way, it is handed over."""

import hashlib
from typing import Final

from prefsvc.mail.message import Entity
from prefsvc.suppression import Reason, Scope

_NAMING: Final = ("message-id", "date")
_WRITTEN: Final = (*_NAMING, "from", "to", "subject")


def identity(raw: bytes, message: Entity) -> str:
    """Return a digest of what its author's program wrote, the body included.

    Each server that a mail passes adds fields (Received, Delivered-To …), so that a retry which
    takes another way has other octets. The id alone would be too little: some programs give the
    same one to every mail, and a second opt-out must not pass for the first. Without an id or a
    date, all counts.
    """
    if not all(message.first(name) for name in _NAMING):
        return hashlib.sha256(raw).hexdigest()
    digest = hashlib.sha256()
    for name in _WRITTEN:
        for value in message.all(name):
            digest.update(f"{name}:{value}\n".encode("utf-8", "surrogatepass"))
    digest.update(b"\n" + message.octets)
    return digest.hexdigest()


def idempotency_key(identity: str, address_key: bytes, reason: Reason, scope: Scope) -> str:
    """Return the key of an act that a mail asks for.

    One mail may speak of several people, and in several tokens of several topics of one.
    """
    return f"mail:{identity}:{address_key.hex()}:{reason}:{scope.kind}:{scope.topic}"
