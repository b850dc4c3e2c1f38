"""What a link's token stands for: a sealed one says it itself, a short one names a stored row."""

from datetime import datetime
from functools import partial

from msgspec import Struct

from prefsvc import short_links
from prefsvc.address import Address
from prefsvc.brands import AppliedBrand
from prefsvc.country import known_country
from prefsvc.doors import Service
from prefsvc.errors import InvalidToken
from prefsvc.links import Link
from prefsvc.opt_outs import Act, deadline_at
from prefsvc.recipients import Recipient
from prefsvc.scopes import scope_of
from prefsvc.short_links import Found
from prefsvc.suppression import Scope
from prefsvc.token import ShortToken


class Followed(Struct, frozen=True):
    """A link that somebody followed: whose it is, whom it names and what it stops."""

    brand: AppliedBrand
    recipient: Recipient
    scope: Scope
    topic: str | None
    mailshot: str | None
    language: str | None
    country: str | None

    @property
    def masked_address(self) -> str:
        """Return the address as a page may show it; erased ones are not known any more."""
        address = self.recipient.address
        return address.masked if address else "•••"

    def everything(self) -> Scope:
        """Return the scope of the page's other button: all of the brand."""
        return Scope("brand")

    def deadline_at(self, scope: Scope, now: datetime) -> datetime:
        """Return by when every sender will have heard, if it were said now."""
        act = Act(self.brand, self.recipient, scope, "link", {}, country=self.country)
        return deadline_at(act, now)


async def follow(service: Service, token: str) -> Followed:
    """Read a token, or refuse one that was not made here. Expiry there is none (RULES E-20).

    A short one is looked up; raises one of AWAY where the database does not answer in time.
    """
    for read in service.book.keyring.candidates(token):
        brand = service.book.get(read.brand)
        if isinstance(read, ShortToken):
            found = await service.in_time(partial(_found, service, brand, read.link_id))
            return _followed(brand, found.recipient, found)
        link = read.link
        recipient = Recipient.of(Address.for_opt_out(link.channel, link.address), service.vault)
        return _followed(brand, recipient, link)
    raise InvalidToken


async def _found(service: Service, brand: AppliedBrand, link_id: bytes) -> Found:
    async with service.database.read() as tx:
        return await short_links.find(tx, brand, link_id)


def _followed(brand: AppliedBrand, recipient: Recipient, said: Link | Found) -> Followed:
    return Followed(
        brand,
        recipient,
        scope_of(brand, recipient.channel, None, said.topic),
        said.topic,
        said.mailshot,
        said.language,
        # A code that is no country's says nothing, and is no reason to refuse whom it came with.
        known_country(said.country),
    )
