"""A mail as it came, taken apart once however many recipients it has."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

from prefsvc.mail import identity
from prefsvc.mail.message import Entity, parse
from prefsvc.mail.reply import own_words


@dataclass(frozen=True)
class Mail:
    """The octets, and what is read in them whoever the mail is for; each is read when asked for."""

    raw: bytes = field(repr=False)

    @cached_property
    def message(self) -> Entity:
        """The header and the parts."""
        return parse(self.raw)

    @cached_property
    def identity(self) -> str:
        """Which mail it is, the same by whichever way it is handed over."""
        return identity.identity(self.raw, self.message)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the mail as it came, for who looks it up in another archive."""
        return hashlib.sha256(self.raw).hexdigest()

    @cached_property
    def own_words(self) -> str:
        """What the person wrote, without what is quoted."""
        return own_words(self.message)
