"""Who opts out. Nobody does it at two doors, so whatever is found twice was doubled."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

BRANDS = tuple(f"drill-{number}" for number in range(6))
NUMBERS = 99
"""The numbers of fiction, +1 202 555 01xx, but for the one that is written to."""
WRITTEN_TO = "+12025550100"


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a brand writes to on a channel."""

    brand: str
    channel: str
    address: str


def mailboxes(name: str) -> Iterator[Person]:
    """Return people with mail, in a row of their own; there is always another one."""
    for number in itertools.count():
        yield Person(BRANDS[number % len(BRANDS)], "email", f"{name}-{number}@example.com")


def telephones(share: int, shares: int) -> Iterator[Person]:
    """Return a share of the people with a telephone: each hears of every brand, and they end."""
    for number in range(1 + share, NUMBERS + 1, shares):
        for brand in BRANDS:
            yield Person(brand, "sms", f"+120255501{number:02d}")


def messaging_service(brand: str) -> str:
    """Return what Twilio calls a brand's numbers."""
    return f"MG{BRANDS.index(brand):032x}"


def messaging_profile(brand: str) -> str:
    """Return what Telnyx calls them."""
    return f"40017d4e-0000-4000-8000-{BRANDS.index(brand):012x}"


def domain(brand: str) -> str:
    """Return where mail to a brand goes."""
    return f"{brand}.example.org"


def brand_file(brand: str) -> str:
    """Return a brand as its operator declares it."""
    return f"""
slug = "{brand}"
name = "Brand {brand}"
languages = ["en"]
time_zone = "America/New_York"
country = "US"
channels = ["email", "sms"]
domains = ["{domain(brand)}"]
messaging_services = ["{messaging_service(brand)}", "{messaging_profile(brand)}"]
rules = ["can-spam", "tcpa"]
[support]
email = "care@{domain(brand)}"
[mail]
unsubscribe = ["unsubscribe@{domain(brand)}"]
[[mail_events]]
name = "postmark-of-{brand}"
provider = "postmark"
"""
