"""Whom a mail is read for, where it came with several recipients or with none."""

from collections.abc import Sequence

from prefsvc.brands import AppliedBrand
from prefsvc.doors import Service
from prefsvc.mailbox.ours import brand_at, has_token


def read_for(service: Service, brand: AppliedBrand, given: Sequence[str]) -> Sequence[str]:
    """Return whom a mail is read for: the brand's own among its recipients, else the first.

    Tokens come first: each may name somebody else, while the mailboxes of a brand are all the same.
    """
    tokens = with_token(service, given)
    at_brand = [one for one in given if one not in tokens and _is_at(service, brand, one)]
    ours = list(dict.fromkeys([*tokens, *at_brand]))
    return ours[: service.settings.mail_recipients_max] or given[:1] or [""]


def with_token(service: Service, given: Sequence[str]) -> list[str]:
    """Return those that carry a token of ours, each once, as many as a mail may have."""
    found = [one for one in dict.fromkeys(given) if has_token(service, one)]
    return found[: service.settings.mail_recipients_max]


def _is_at(service: Service, brand: AppliedBrand, recipient: str) -> bool:
    found = brand_at(service, recipient)
    return found is not None and found.brand_id == brand.brand_id
