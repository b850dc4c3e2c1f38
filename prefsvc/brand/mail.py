"""Which mailboxes of a brand are there to be left by, and whether it answers who left by mail."""

from dataclasses import dataclass
from typing import Final, Self

from prefsvc.brand.kinds import email
from prefsvc.declared import Table, filled

MAILBOXES_MAX = 100
_OPTS_OUT: Final = "u+"  # what is written to such an address opts somebody out (E-31)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """The mail that is written to a brand. What is written to its other addresses is a reply."""

    unsubscribe: tuple[str, ...] = ()
    """Mailboxes that exist to be written to by who wants no more mail (SEEDS 13)."""
    sender: str = ""
    """The address that receipts come from."""
    acknowledge: bool = True
    """Whether there are receipts, where there is an address for them to come from."""

    @property
    def has_receipts(self) -> bool:
        """Say whether who opts out by mail is told that it was heard."""
        return self.acknowledge and bool(self.sender)

    @classmethod
    def read(cls, table: Table, *, domains: tuple[str, ...]) -> Self:
        """Read [mail]; each mailbox is at one of the brand's domains, by which it is found."""

        def mailbox(text: str) -> str:
            local, _, domain = email(text).lower().rpartition("@")
            if domain not in domains:
                raise ValueError(f"{domain} is not among the brand's domains")
            return f"{local}@{domain}"

        settings = cls(
            unsubscribe=table.several("unsubscribe", mailbox, most=MAILBOXES_MAX),
            sender=table.optional("from", mailbox, ""),
            acknowledge=table.flag("acknowledge", default=True),
        )
        settings._check(table)
        table.close()
        return settings

    def _check(self, table: Table) -> None:
        is_wanted = "acknowledge" in table and table.is_sound("acknowledge") and self.acknowledge
        if is_wanted and "from" not in table:
            table.problem("needs from: the address that the mail comes from", "acknowledge")
        if self.sender and self.sender in self.unsubscribe:
            table.problem(
                "is a mailbox for opt-outs, where every answer would be read as one; name another",
                "from",
            )
        if self.sender.startswith(_OPTS_OUT):
            table.problem("begins like a token's address; name another", "from")

    def to_document(self) -> dict[str, object]:
        """Return it as the file would have it."""
        return filled(
            {
                "unsubscribe": sorted(self.unsubscribe),
                "from": self.sender,
                "acknowledge": None if self.acknowledge else False,
            }
        )
