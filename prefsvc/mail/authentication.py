"""Who vouches for a mail: what DKIM, SPF and DMARC say of its author (E-34).

Rule: a mail proves who wrote it only if it names one author, and what passed is of that author's
own domain. Everything else is mail that anybody could have written.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, Self, get_args

from prefsvc.mail import addresses
from prefsvc.mail.message import Entity

Result = Literal[
    "pass", "fail", "softfail", "neutral", "none", "policy", "temperror", "permerror"
]  # fmt: skip
"""The words of RFC 8601 §2.7; `temperror` is what could not be found out."""
By = Literal["nobody", "check", "header", "ses"]

AUTHOR_CHARS_MAX: Final = 4096
RESULTS: Final[dict[str, Result]] = {one: one for one in get_args(Result)}
_OF_SES: Final[dict[str, Result]] = {
    "PASS": "pass", "FAIL": "fail", "GRAY": "none", "PROCESSING_FAILED": "temperror"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Signature:
    """The domain that signed, and whether that is so."""

    domain: str
    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """What was found out about a mail, and by whom."""

    by: By
    author: str | None = field(default=None, repr=False)
    """The address in its one From field, canonical; None where there is no such one."""
    is_aligned: bool = False
    """Whether what passed is of the author's domain (RFC 7489 §3.1)."""
    dmarc: Result = "none"
    spf: Result = "none"
    spf_domain: str = ""
    signatures: tuple[Signature, ...] = ()

    def proves(self, address: str | None) -> bool:
        """Say whether the mail is from this address, as its domain vouches."""
        return address is not None and self.author == address and self.is_aligned

    def is_signed_by(self, domains: Iterable[str]) -> bool:
        """Say whether one of these domains, or one below it, signed the mail."""
        passed = [one.domain for one in self.signatures if one.result == "pass"]
        return any(is_at_or_below(one, domain) for one in passed for domain in domains)

    @property
    def is_unknown(self) -> bool:
        """Say whether the next try may find out more: DNS was away, or nobody has looked."""
        said = {self.dmarc, self.spf, *(one.result for one in self.signatures)}
        return self.by == "nobody" or (not self.is_aligned and "temperror" in said)

    def to_document(self) -> dict[str, object] | None:
        """Return what is kept as evidence; nothing where nobody has looked."""
        if self.by == "nobody":
            return None
        return {
            "by": self.by,
            "aligned": self.is_aligned,
            "dmarc": self.dmarc,
            "spf": self.spf,
            "spf_domain": self.spf_domain or None,
            "dkim": [{"domain": one.domain, "result": one.result} for one in self.signatures],
        }

    @classmethod
    def of_ses(cls, message: Entity, *, spf: str, dkim: str, dmarc: str) -> Self:
        """Take over the verdicts of Amazon SES (PASS, FAIL, GRAY …), which took the mail in.

        Its verdict on DKIM does not say which domain signed, so only that on DMARC proves anything.
        """
        author = author_of(message)
        passed = _OF_SES.get(dmarc, "none")
        return cls(
            by="ses",
            author=author,
            is_aligned=passed == "pass" and author is not None,
            dmarc=passed,
            spf=_OF_SES.get(spf, "none"),
            signatures=(Signature("", _OF_SES.get(dkim, "none")),),
        )


NOBODY_LOOKED: Final = Authentication(by="nobody")


def author_of(message: Entity) -> str | None:
    """Return the address of who wrote a mail; None if it names nobody or several.

    With two From fields, one is signed and the other is shown (RFC 7489 §6.6.1).
    """
    fields = message.all("from")
    is_one = len(fields) == 1 and len(fields[0]) <= AUTHOR_CHARS_MAX
    listed = addresses.listed(fields[0]) if is_one else []
    return addresses.canonical(listed[0]) if len(listed) == 1 else None


def domain_of(address: str | None) -> str:
    """Return the domain of a canonical address; empty where there is none."""
    return (address or "").rpartition("@")[2]


def is_at_or_below(domain: str, parent: str) -> bool:
    """Say whether a domain is another, or one below it."""
    return bool(parent) and (domain == parent or domain.endswith("." + parent))


def is_given_by_name(domain: str, author_domain: str) -> bool:
    """Say whether a domain is the author's, or one above it, without asking what it publishes.

    Whoever has a domain has all names below it, so that is safe; one below the author's is not.
    """
    return bool(domain) and "." in domain and is_at_or_below(author_domain, domain)
