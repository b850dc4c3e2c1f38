"""What brands may not share: whatever tells them apart when a message comes in."""

from collections import defaultdict
from collections.abc import Iterable

from prefsvc.brand.brand import Brand
from prefsvc.errors import BrandRefusal


def check_together(brands: Iterable[Brand]) -> None:
    """Refuse brands that claim the same slug, or the same way in for what is written to them."""
    owners: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for brand in brands:
        for claim in set(_claims(brand)):
            owners[claim].append(brand.slug)
    problems = [
        f"{key}: {value} is claimed by {' and '.join(slugs)}; it can belong to one brand only"
        for (key, value), slugs in sorted(owners.items())
        if len(slugs) > 1
    ]
    if problems:
        raise BrandRefusal(problems=problems)


def _claims(brand: Brand) -> Iterable[tuple[str, str]]:
    yield "slug", brand.slug
    yield from (("domains", domain) for domain in brand.domains)
    yield from (("numbers", number) for number in brand.numbers)
    yield from (("messaging_services", service) for service in brand.messaging_services)
    yield from (("mail_events", source.name) for source in brand.mail_events)
    for mailbox in brand.mailboxes:
        yield "mailboxes", mailbox.name
        yield "mailboxes", mailbox.place
