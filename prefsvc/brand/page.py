"""What a brand's public pages show: how they look, and where a person finds help."""

from dataclasses import dataclass
from typing import Self

from prefsvc.brand.kinds import accent, email, phone, web_address
from prefsvc.declared import Table, filled
from prefsvc.declared.kinds import text_of

DEFAULT_ACCENT = "#1f4e79"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A colour and a word: nothing is ever loaded from elsewhere (RULES E-22)."""

    accent: str = DEFAULT_ACCENT
    logo_text: str = ""

    @classmethod
    def read(cls, table: Table) -> Self:
        """Read [page]."""
        page = cls(
            accent=table.optional("accent", accent, DEFAULT_ACCENT),
            logo_text=table.optional("logo_text", text_of(40), ""),
        )
        table.close()
        return page

    def to_document(self) -> dict[str, object]:
        """Return it as the file would have it."""
        return filled({"accent": self.accent, "logo_text": self.logo_text})


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """Where somebody with a question can turn; each is empty where the brand has none."""

    email: str = ""
    url: str = ""
    phone: str = ""

    @property
    def contact(self) -> str:
        """Return the one to name where there is room for one, as in a text message."""
        return self.phone or self.email or self.url

    @classmethod
    def read(cls, table: Table) -> Self:
        """Read [support]."""
        support = cls(
            email=table.optional("email", email, ""),
            url=table.optional("url", web_address, ""),
            phone=table.optional("phone", phone, ""),
        )
        table.close()
        return support

    def to_document(self) -> dict[str, object]:
        """Return it as the file would have it."""
        return filled({"email": self.email, "url": self.url, "phone": self.phone})
