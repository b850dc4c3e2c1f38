"""Which mailboxes of a brand are there to be left by."""

from dataclasses import dataclass
from typing import Self

from prefsvc.brand.kinds import email
from prefsvc.declared import Table, filled

MAILBOXES_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """The mail that is written to a brand. What is written to its other addresses is a reply."""

    unsubscribe: tuple[str, ...] = ()
    """Mailboxes that exist to be written to by who wants no more mail (SEEDS 13)."""

    @classmethod
    def read(cls, table: Table, *, domains: tuple[str, ...]) -> Self:
        """Read [mail]; each mailbox is at one of the brand's domains, by which it is found."""

        def mailbox(text: str) -> str:
            local, _, domain = email(text).lower().rpartition("@")
            if domain not in domains:
                raise ValueError(f"{domain} is not among the brand's domains")
            return f"{local}@{domain}"

        settings = cls(unsubscribe=table.several("unsubscribe", mailbox, most=MAILBOXES_MAX))
        table.close()
        return settings

    def to_document(self) -> dict[str, object]:
        """Return it as the file would have it."""
        return filled({"unsubscribe": sorted(self.unsubscribe)})
