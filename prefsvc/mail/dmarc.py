"""Which domains are of one organisation, and whether what passed is of the author's (DMARC). Pure.

The organisation is found by what its domains publish, up the tree (RFC 9989), and not in a list of
public suffixes: nothing need be kept up to date here. Generators, as in spf.py.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

from prefsvc.mail.authentication import Result, is_given_by_name
from prefsvc.mail.dkim import Tags, tags_of
from prefsvc.mail.spf import Answer, Question

LABELS_MAX: Final = 8
"""So many names are asked about; of a longer one the middle is passed over."""


@dataclass(frozen=True, slots=True)
class Published:
    """What a domain and those above it publish."""

    domain: str
    organisation: str | None = None
    """The organisation's own domain; None where nobody publishes anything."""
    policy: Tags | None = None
    is_unknown: bool = False
    """Whether DNS could not be asked."""


Walk = Generator[Question, Answer, Published]


def walk(domain: str) -> Walk:
    """Ask what a domain and those above it publish (RFC 9989 §4.10)."""
    found: dict[str, Tags] = {}
    for name in _names(domain):
        texts = yield Question("TXT", f"_dmarc.{name}")
        if texts is None:
            return Published(domain, is_unknown=True)
        records = [tags for one in texts if (tags := tags_of(one)).get("v") == "DMARC1"]
        if len(records) == 1:
            found[name] = records[0]
            if records[0].get("psd") in {"y", "n"}:
                break
    return Published(domain, _organisation(domain, found), _policy(domain, found))


def is_aligned(author: Published, passed: Published, *, strict: str) -> bool:
    """Say whether a domain that passed is of the author's organisation.

    `strict` names the tag by which the author's policy may ask for the very domain (§5.1.1): adkim
    or aspf. Where nobody publishes anything, a domain above the author's is as good.
    """
    if passed.domain == author.domain:
        return True
    if (author.policy or {}).get(strict, "r").lower() == "s":
        return False
    if author.organisation is None:
        return not author.is_unknown and is_given_by_name(passed.domain, author.domain)
    return passed.organisation == author.organisation


def result(author: Published, *, is_aligned: bool) -> Result:
    """Return DMARC's word for it: only who publishes a policy can fail it."""
    if author.is_unknown:
        return "temperror"
    if author.policy is None:
        return "none"
    return "pass" if is_aligned else "fail"


def _names(domain: str) -> list[str]:
    labels = [label for label in domain.split(".") if label]
    names = [".".join(labels[start:]) for start in range(len(labels))]
    return names if len(names) <= LABELS_MAX else [names[0], *names[1 - LABELS_MAX :]]


def _organisation(domain: str, found: dict[str, Tags]) -> str | None:
    if not found:
        return None
    top = min(found, key=len)
    if found[top].get("psd") != "y":
        return top
    below = domain.removesuffix(top).rstrip(".").rpartition(".")[2]
    return f"{below}.{top}" if below else domain


def _policy(domain: str, found: dict[str, Tags]) -> Tags | None:
    return found.get(domain) or (found[min(found, key=len)] if found else None)
