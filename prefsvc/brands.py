"""Brands as they are applied: reading the book of them, applying and retiring."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from prefsvc import honour
from prefsvc.address import Channel
from prefsvc.brand import Brand, Mailbox, MailEventSource, check_together, difference
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.errors import UnknownBrand
from prefsvc.honour import Bases
from prefsvc.token import Keyring


@dataclass(frozen=True, slots=True)
class AppliedBrand:
    """A brand with the number by which the database knows it."""

    brand_id: int
    brand: Brand
    retired_at: datetime | None = None
    bases: Bases = field(init=False, repr=False, compare=False)
    """What the deadlines of its opt-outs are counted by."""
    shortest_windows: dict[Channel, timedelta] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """The shortest window of each channel that was asked for: as long as the brand is this one."""

    def __post_init__(self) -> None:
        """Begin with the rules and promises of its file."""
        brand = self.brand
        made = Bases(honour.rules_of(brand.rules), brand.promise, brand.time_zone)
        object.__setattr__(self, "bases", made)

    @property
    def slug(self) -> str:
        """Return the brand's name in addresses and files."""
        return self.brand.slug


@dataclass(frozen=True, slots=True)
class BrandBook:
    """Every brand there ever was, and the keys of their links.

    Brands found by number, messaging service, domain, source, mailbox or id include retired ones:
    what was sent for them can still be answered.
    """

    by_slug: Mapping[str, AppliedBrand]
    keyring: Keyring
    by_id: Mapping[int, AppliedBrand] = field(default_factory=dict)
    by_number: Mapping[str, AppliedBrand] = field(default_factory=dict)
    by_service: Mapping[str, AppliedBrand] = field(default_factory=dict)
    by_domain: Mapping[str, AppliedBrand] = field(default_factory=dict)
    by_mail_source: Mapping[str, tuple[AppliedBrand, MailEventSource]] = field(default_factory=dict)
    by_mailbox: Mapping[str, tuple[AppliedBrand, Mailbox]] = field(default_factory=dict)

    @classmethod
    def of(cls, brands: Iterable[AppliedBrand], masters: Sequence[bytes]) -> Self:
        """Index the brands; where a retired one shares a number, the living one has it."""
        ordered = sorted(brands, key=lambda one: (one.retired_at is None, one.brand_id))
        return cls(
            by_slug={one.slug: one for one in ordered},
            keyring=Keyring.for_brands(masters, [one.slug for one in ordered]),
            by_id={one.brand_id: one for one in ordered},
            by_number={number: one for one in ordered for number in one.brand.numbers},
            by_service={sid: one for one in ordered for sid in one.brand.messaging_services},
            by_domain={domain: one for one in ordered for domain in one.brand.domains},
            by_mail_source={
                source.name: (one, source) for one in ordered for source in one.brand.mail_events
            },
            by_mailbox={
                mailbox.name: (one, mailbox) for one in ordered for mailbox in one.brand.mailboxes
            },
        )

    def get(self, slug: str) -> AppliedBrand:
        """Return the brand of this name, or refuse."""
        if found := self.by_slug.get(slug):
            return found
        raise UnknownBrand


async def load(tx: Tx, masters: Sequence[bytes]) -> BrandBook:
    """Read the book."""
    rows = await queries.brands(tx.conn)
    return BrandBook.of(
        [AppliedBrand(r.brand_id, Brand.from_document(r.definition), r.retired_at) for r in rows],
        masters,
    )


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying one brand changed, in sentences; none if it was as it is."""

    slug: str
    changes: tuple[str, ...]


async def apply(tx: Tx, brands: Sequence[Brand]) -> list[Applied]:
    """Apply brand files, all or none; brands that are not among them stay as they are."""
    await queries.lock_brands(tx.conn)
    rows = {row.slug: row for row in await queries.brands(tx.conn)}
    standing = {
        slug: Brand.from_document(row.definition)
        for slug, row in rows.items()
        if row.retired_at is None
    }
    applied = compare(standing, brands)
    next_id = max((row.brand_id for row in rows.values()), default=0) + 1
    for brand, outcome in zip(brands, applied, strict=True):
        known = rows.get(brand.slug)
        if outcome.changes:
            await _put(tx, brand, known.brand_id if known else next_id)
            next_id += 0 if known else 1
    return applied


def compare(standing: dict[str, Brand], brands: Sequence[Brand]) -> list[Applied]:
    """Say what applying these would change; refuse those that cannot stand beside the others."""
    check_together(list((standing | {brand.slug: brand for brand in brands}).values()))
    return [
        Applied(brand.slug, tuple(difference(standing.get(brand.slug), brand))) for brand in brands
    ]


async def _put(tx: Tx, brand: Brand, brand_id: int) -> None:
    await queries.put_brand(
        tx.conn,
        brand_id=brand_id,
        slug=brand.slug,
        definition=brand.to_document(),
        applied_at=tx.now,
    )


async def retire(tx: Tx, slug: str) -> None:
    """Retire a brand: its opt-outs stand and its links keep working."""
    if not await queries.retire_brand(tx.conn, slug=slug, now=tx.now):
        raise UnknownBrand


async def version(tx: Tx) -> str | None:
    """Return what changes whenever the book does; None while it is empty."""
    return await queries.brands_version(tx.conn)
