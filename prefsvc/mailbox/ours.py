"""Which mail is for us: by a token of ours in its address, or by the domain of a brand."""

from prefsvc.brands import AppliedBrand
from prefsvc.doors import Service
from prefsvc.mail.addresses import tokens_of


def is_ours(service: Service, address: str) -> bool:
    """Say whether mail to this address is for one of the brands: by its token, or its domain."""
    return brand_at(service, address) is not None or has_token(service, address)


def has_token(service: Service, address: str) -> bool:
    """Say whether a token of ours is in the address, whatever its domain."""
    return any(any(service.book.keyring.candidates(token)) for token in tokens_of([address]))


def brand_at(service: Service, address: str) -> AppliedBrand | None:
    """Return the brand whose domain an address is at."""
    return service.book.by_domain.get(address.rpartition("@")[2].lower().rstrip("."))
